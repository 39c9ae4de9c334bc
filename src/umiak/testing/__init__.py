"""For tests, ours and those of people who write operators: a real cluster in the process, virtual clock, fakes.

`Cluster` is the way in; `umiak.testing.plugin` has it as pytest fixtures.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umiak.testing.embedded.cluster import Cluster
    from umiak.testing.embedded.waiting import NotInTime

__all__ = ["Cluster", "NotInTime"]


def __getattr__(name: str) -> Any:
    """Loaded on first use, so that who wants the clock alone pays for no more."""
    if name == "Cluster":
        from umiak.kit import garbage

        with garbage.left_alone(stays=True):
            from umiak.testing.embedded.cluster import Cluster

        return Cluster
    if name == "NotInTime":
        from umiak.testing.embedded.waiting import NotInTime

        return NotInTime
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
