"""How long to wait before the next try."""

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """Doubling waits: `first` seconds, then `factor` times more each try, never above `limit`."""

    first: float
    limit: float
    factor: float = 2.0

    def wait(self, failures: int) -> float:
        """Seconds to wait after `failures` (1 or more) failures in a row."""
        exponent = min(failures - 1, 64)  # 2.0 ** 1024 overflows; 64 doublings pass any limit
        return min(self.limit, self.first * self.factor**exponent)
