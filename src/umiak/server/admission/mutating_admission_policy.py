"""Objects are changed by the policies that cluster administrators wrote in CEL."""

from umiak.server.contract import Admission, Admitted, Phase, Surroundings
from umiak.server.webhooks import matching


def concerns(request: Admitted) -> bool:
    return request.operation != "DELETE"


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    book = around.policies
    if book is None or not book.mutating.in_force or request.new is None or matching.is_exempt(request):
        return
    from umiak.server.policies.mutating import mutate
    from umiak.server.policies.subject import Subject

    await mutate(book, Subject(around, request, book.equivalents))


ADMISSION = Admission(
    name="MutatingAdmissionPolicy",
    order=33,
    phases=(Phase.MUTATE,),
    dormant=lambda around: around.policies is None or not around.policies.mutating.in_force,
    run=run,
    concerns=concerns,
)
