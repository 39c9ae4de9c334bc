"""SubjectAccessReview: may this user do that?"""

from umiak.objects.types import Object
from umiak.server.review import Asked, Judges, Review
from umiak.server.reviews._access import (
    GROUP,
    judge,
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
        *metadata_faults(asked.obj),
    ]:
        raise refuse(faults)
    return await judge(judges, asked, subject(spec))


REVIEW = Review(GROUP, "subjectaccessreviews", run)
