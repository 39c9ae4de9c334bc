"""Has nothing against anything (`plugin/pkg/admission/admit`); there for configurations of old."""

from umiak.server.contract import Admission, Admitted, Phase, Surroundings


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    """Admits."""


ADMISSION = Admission(name="AlwaysAdmit", order=0, phases=(Phase.MUTATE,), run=run, concerns=lambda request: False)
