"""What an API server is told about admission: the reference's flags."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionSettings:
    """Plugins by name. `wanted` are on besides those that always are, `without` are off."""

    wanted: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    config_file: Path | None = None

    @property
    def is_usual(self) -> bool:
        return not (self.wanted or self.without or self.config_file)
