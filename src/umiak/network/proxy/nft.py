"""Turns a wanted table into one nftables transaction: all of it the first time, afterwards only what changed."""

from collections.abc import Iterable, Iterator

from umiak.network.proxy.rules import Collection, Table

NAME = "umiak-proxy"
_PER_COMMAND = 500
"""Elements in one `add element`; keeps lines readable and nft's memory flat."""


def _declaration(table: Table, name: str, collection: Collection) -> str:
    word = "map" if collection.is_map else "set"
    options = "".join(f"; {o}" for o in collection.options)
    return f"add {word} {table.family} {NAME} {name} {{ {collection.type}{options}; }}"


def _elements(elements: Iterable[tuple[str, str]]) -> Iterator[str]:
    """`{ a : b, c : d }` in pieces."""
    texts = [f"{key} : {value}" if value else key for key, value in elements]
    for at in range(0, len(texts), _PER_COMMAND):
        yield "{ " + ", ".join(texts[at : at + _PER_COMMAND]) + " }"


def _chain(table: Table, name: str, lines: tuple[str, ...]) -> Iterator[str]:
    hook = [line for line in lines if line.startswith("type ")]
    yield f"add chain {table.family} {NAME} {name}" + (f" {{ {hook[0]} }}" if hook else "")
    yield f"flush chain {table.family} {NAME} {name}"
    for line in lines:
        if line not in hook:
            yield f"add rule {table.family} {NAME} {name} {line}"


def _ordered(chains: dict[str, tuple[str, ...]]) -> list[str]:
    """A chain must exist before another may go to it."""
    first = ["refuse", "services", "refused-address", "refused-node", "refused-unknown"]
    return [n for n in first if n in chains] + sorted(n for n in chains if n not in first)


def load(table: Table) -> str:
    """The script that replaces whatever is there by `table`."""
    lines = [
        f"add table {table.family} {NAME}",
        f"delete table {table.family} {NAME}",
        f"add table {table.family} {NAME}",
    ]
    lines += [_declaration(table, name, c) for name, c in table.collections.items()]
    for name in _ordered(table.chains):
        lines += _chain(table, name, table.chains[name])
    for name, collection in table.collections.items():
        lines += [f"add element {table.family} {NAME} {name} {e}" for e in _elements(collection.elements.items())]
    return "\n".join(lines) + "\n"


def change(old: Table, new: Table) -> str:
    """The script that leads from `old` to `new`; empty when they are the same.

    Frontends vanish before what they point to and appear after it, so the order is: chains that are new, elements
    that went, elements that came, chains that are no longer used. One transaction, so no packet sees a half of it.
    """
    at = f"{new.family} {NAME}"
    lines: list[str] = []
    for name in _ordered(new.chains):
        if old.chains.get(name) != new.chains[name]:
            lines += _chain(new, name, new.chains[name])
    came: list[str] = []
    for name, collection in new.collections.items():
        before = old.collections[name].elements
        gone = [(k, v) for k, v in before.items() if collection.elements.get(k) != v]
        added = [(k, v) for k, v in collection.elements.items() if before.get(k) != v]
        lines += [f"delete element {at} {name} {e}" for e in _elements((k, "") for k, _ in gone)]
        came += [f"add element {at} {name} {e}" for e in _elements(added)]
    lines += came
    unused = [name for name in old.chains if name not in new.chains]
    lines += [f"delete chain {at} {name}" for name in sorted(unused)]
    return "\n".join(lines) + "\n" if lines else ""


def remove(family: str) -> str:
    return f"add table {family} {NAME}\ndelete table {family} {NAME}\n"
