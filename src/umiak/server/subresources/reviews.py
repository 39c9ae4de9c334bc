"""Kinds that are created only to be answered: who is this, may they do that."""

from functools import cache

from umiak.kit.modules import exported
from umiak.objects.types import Object
from umiak.server import bodies, metadata, representation, stored
from umiak.server.access.authorization import Authorization
from umiak.server.access.credentials import Authentication
from umiak.server.answer import Answer, method_not_allowed
from umiak.server.call import Call
from umiak.server.contract import Phase
from umiak.server.managed_fields import tracking
from umiak.server.negotiation import not_acceptable
from umiak.server.options import write_options
from umiak.server.part import SubresourceHandlers
from umiak.server.review import Asked, Judges, Review

GROUPS = {
    "authentication.k8s.io": ("tokenreviews", "selfsubjectreviews"),
    "authorization.k8s.io": (
        "subjectaccessreviews",
        "localsubjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
    ),
}


@cache
def _reviews() -> dict[tuple[str, str], Review]:
    found = exported("umiak.server.reviews", "REVIEW").values()
    return {(review.group, review.resource): review for review in found}


def judges_of(call: Call) -> Judges:
    """Raises 405 on a server that authenticates or authorizes in a way of its own, which can not be asked."""
    app = call.app
    authentication = next((a for a in app.authenticators if isinstance(a, Authentication)), None)
    if authentication is None or not isinstance(app.authorizer, Authorization):
        raise method_not_allowed()
    return Judges(authentication, app.authorizer, app.clock)


async def answer(call: Call) -> Answer:
    if call.media.target == "Table":
        raise not_acceptable()  # what is not kept has no table
    options = write_options(call.request, "CreateOptions")
    obj = bodies.read_object(call, call.kind, options.directive)
    metadata.wipe(metadata.of(obj))
    metadata.ensure_namespace(metadata.of(obj), call.namespace)
    await tracking.track_creation(call, obj, options.manager)
    admitted = call.admitted("CREATE", obj, None, options.as_object("CreateOptions"), options.dry_run)
    for phase in Phase:
        await call.app.gate.pass_through(admitted, phase)
    review = _reviews()[call.kind.group, call.kind.plural]
    reviewed: Object = await review.run(judges_of(call), Asked(call.user, call.namespace, admitted.new or obj))
    return representation.of_object(call, stored.encode(call.kind, reviewed), 201)


SUBRESOURCE = SubresourceHandlers(
    name="",
    of=tuple((group, resource) for group, resources in GROUPS.items() for resource in resources),
    methods={"POST": answer},
)
