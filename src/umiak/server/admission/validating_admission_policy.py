"""Writes are judged by the policies that cluster administrators wrote in CEL."""

from umiak.server.contract import Admission, Admitted, Phase, Surroundings
from umiak.server.webhooks import matching


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    book = around.policies
    if book is None or not book.validating.in_force or matching.is_exempt(request):
        return
    from umiak.server.policies.subject import Subject
    from umiak.server.policies.validating import validate

    await validate(book, Subject(around, request, book.equivalents))


ADMISSION = Admission(
    name="ValidatingAdmissionPolicy",
    order=35,
    phases=(Phase.VALIDATE,),
    dormant=lambda around: around.policies is None or not around.policies.validating.in_force,
    run=run,
)
