"""What an API server is told about admission: the reference's flags."""

from pathlib import Path

import msgspec


class AdmissionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Plugins by name. `wanted` are on besides those that always are, `without` are off."""

    wanted: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    config_file: Path | None = None

    @property
    def is_usual(self) -> bool:
        return not (self.wanted or self.without or self.config_file)
