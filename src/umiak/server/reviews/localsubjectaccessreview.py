"""LocalSubjectAccessReview: may this user do that in this namespace?"""

from umiak.objects.types import Object
from umiak.server.review import Asked, Judges, Review
from umiak.server.reviews._access import (
    GROUP,
    judge,
    local_faults,
    metadata_faults,
    refuse,
    spec_faults,
    subject,
    subject_faults,
)
from umiak.server.reviews._selectors import selector_faults


async def run(judges: Judges, asked: Asked) -> Object:
    spec = asked.obj.get("spec") or {}
    if faults := [
        *spec_faults(spec),
        *subject_faults(spec),
        *selector_faults(spec),
        *metadata_faults(asked.obj, ("namespace",)),
        *local_faults(asked.obj, asked.namespace),
    ]:
        raise refuse(faults)
    return await judge(judges, asked, subject(spec))


REVIEW = Review(GROUP, "localsubjectaccessreviews", run)
