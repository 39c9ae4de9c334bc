"""Kinds by group and name, for controllers that are told of them by objects: found by discovery, and remembered."""

from umiak.api.kind import Kind
from umiak.client.discovery import discover
from umiak.controllers._memory import Memory
from umiak.reconcile.contract import Context

KINDS: Memory[Kind] = Memory()


async def find_kind(ctx: Context, group: str, kind: str) -> Kind | None:
    """None when the server has none of that name. Raises StatusError and Unreachable."""
    known, name = KINDS.of(ctx), (group, kind)
    if name not in known:
        for found in await discover(ctx.client):
            known[(found.group, found.kind)] = found
    return known.get(name)
