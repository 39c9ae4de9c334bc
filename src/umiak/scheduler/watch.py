"""How long the steps of a decision take, for whoever wants to know."""

from typing import Protocol


class Watch(Protocol):
    """`now` is in seconds of any clock; `saw` is told of an extension point, when it began, and whether it went well
    (to reject a pod is not a failure, but it is not success either)."""

    def now(self) -> float: ...

    def saw(self, point: str, began: float, ok: bool = True) -> None: ...


class Unwatched:
    """Nobody wants to know."""

    def now(self) -> float:
        return 0.0

    def saw(self, point: str, began: float, ok: bool = True) -> None:
        pass


UNWATCHED = Unwatched()
