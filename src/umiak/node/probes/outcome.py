"""What one try of a probe says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """`text` goes into the event. A warning counts as success, an error (nothing could be asked) as failure."""

    ok: bool
    text: str = ""
    warning: bool = False
    error: bool = False
