"""`$(NAME)` references in commands, arguments and environment values."""

import re
from collections.abc import Callable, Mapping

REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))?")


def expand(text: str, values: Callable[[str], str | None]) -> str:
    """`$$` is a dollar; a reference to something unknown stays as it is."""

    def replaced(match: re.Match[str]) -> str:
        whole, inside = match.group(0), match.group(2)
        if whole == "$$":
            return "$"
        if inside is None:
            return whole
        found = values(inside)
        return whole if found is None else found

    return REFERENCE.sub(replaced, text)


def from_maps(*maps: Mapping[str, str]) -> Callable[[str], str | None]:
    """The value in the first map that has the name."""

    def lookup(name: str) -> str | None:
        return next((m[name] for m in maps if name in m), None)

    return lookup
