"""How long clients are told to stay away: longer while many are turned away, shorter when few are
(apiserver's `dropped_requests_tracker.go`)."""

LONGEST = 32
"""Seconds."""


class Retrying:
    """Of one priority level. `seconds` is what goes into Retry-After."""

    def __init__(self) -> None:
        self.seconds = 1
        self._raised = 0
        self._second = 0
        self._count = 0
        self._past: list[tuple[int, int]] = []

    def turned_away(self, now: float) -> int:
        """Counts a request, `now` in seconds; returns what its client is told."""
        second = int(now)
        if second == self._second:
            self._count += 1
            return self.seconds
        longest = min(2 * self.seconds, LONGEST)
        self._past = [(at, n) for at, n in [*self._past, (self._second, self._count)] if second - at <= longest]
        self._second, self._count = second, 1
        self._reconsider(second)
        return self.seconds

    def _reconsider(self, second: int) -> None:
        """Looks at the last `seconds` seconds without the one that begins; doubles, or goes down by one."""
        lately = sum(count for at, count in self._past if second - at <= self.seconds)
        if second - self._raised >= self.seconds and lately >= 3 * self.seconds:
            self.seconds = min(2 * self.seconds, LONGEST)
            self._raised = second
        elif lately < self.seconds > 1:
            self.seconds -= 1
