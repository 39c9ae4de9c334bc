"""Nothing may be written (`plugin/pkg/admission/deny`)."""

from umiak.server.admission._common import refuse
from umiak.server.contract import Admission, Admitted, Phase, Surroundings


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    raise refuse(request, "admission control is denying all modifications")


ADMISSION = Admission(name="AlwaysDeny", order=38, phases=(Phase.MUTATE, Phase.VALIDATE), run=run)
