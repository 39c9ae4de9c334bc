"""What one try of a probe says."""

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """`text` goes into the event. A warning counts as success, an error (nothing could be asked) as failure."""

    ok: bool
    text: str = ""
    warning: bool = False
    error: bool = False
