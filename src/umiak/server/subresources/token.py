"""`serviceaccounts/token`: a new token for a service account."""

from functools import cache

from umiak.api import compiled
from umiak.api.kind import Kind
from umiak.api.schema import Schema
from umiak.objects.types import Object
from umiak.server import bodies, metadata, representation, stored
from umiak.server.answer import Answer, method_not_allowed
from umiak.server.call import Call
from umiak.server.contract import Phase
from umiak.server.managed_fields import tracking
from umiak.server.options import write_options
from umiak.server.part import SubresourceHandlers
from umiak.server.token_request import GROUP, KIND, ORDINARY, request_token


@cache
def token_request() -> Kind:
    """The kind of the body; it has no resource of its own."""

    def load_schema() -> Schema:
        return compiled.schema(f"{GROUP}/v1", KIND)

    return Kind(
        group=GROUP,
        version="v1",
        kind=KIND,
        plural="tokenrequests",
        singular="tokenrequest",
        namespaced=True,
        verbs=(),
        load_schema=load_schema,
    )


async def create(call: Call) -> Answer:
    if call.app.issuer is None:
        raise method_not_allowed()
    kind, options = token_request(), write_options(call.request, "CreateOptions")
    asked = bodies.read_object(call, kind, options.directive)
    spec = asked.setdefault("spec", {})
    if spec.get("expirationSeconds") is None:
        spec["expirationSeconds"] = ORDINARY
    metadata.ensure_namespace(metadata.of(asked), call.namespace)
    await tracking.track_creation(call, asked, options.manager, kind, "token")
    admitted = call.admitted("CREATE", asked, None, options.as_object("CreateOptions"), options.dry_run)
    await call.app.gate.pass_through(admitted, Phase.MUTATE)

    async def validate(complete: Object) -> None:
        admitted.new = complete
        await call.app.gate.pass_through(admitted, Phase.VALIDATE)

    found = await request_token(
        call.app.objects, call.app.issuer, call.namespace, call.name, admitted.new or asked, validate, call.warn
    )
    return representation.of_object(call, stored.encode(kind, found), 201, kind)


SUBRESOURCE = SubresourceHandlers(name="token", of=(("", "serviceaccounts"),), methods={"POST": create})
