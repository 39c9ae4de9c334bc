"""What happened, in order: who saw, asked, was answered and did what."""

import hashlib
from typing import Any

import msgspec

Entry = tuple[float, str, str, tuple[Any, ...]]


class Trace(msgspec.Struct):
    """`words` asks for what only readers need: what each watch brought, and what stood in each write."""

    words: bool = False
    entries: list[Entry] = msgspec.field(default_factory=list)

    def add(self, at: float, who: str, what: str, *more: Any) -> None:
        self.entries.append((at, who, what, more))

    def digest(self) -> str:
        """The same for two runs that went the same way, whether words were asked for or not."""
        told = hashlib.sha256()
        for at, who, what, more in self.entries:
            if what != "saw":
                told.update(repr((at, who, what, more[:2])).encode())
        return told.hexdigest()

    def lines(self) -> list[str]:
        return [
            f"{at:9.3f}  {who:<34} {what:<9} {' '.join(str(m) for m in more if m not in ('', None))}"
            for at, who, what, more in self.entries
        ]
