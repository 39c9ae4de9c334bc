"""A way to schedule, by the name that pods ask for: which plugins, how much each counts, and what they were told."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umiak.kit.modules import exported
from umiak.scheduler.contract import Plugin

DEFAULT_NAME = "default-scheduler"


class Profile(msgspec.Struct, frozen=True):
    """`plugins` have only the hooks that are enabled, in the order in which they filter."""

    name: str
    plugins: Sequence[Plugin]
    settings: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """By plugin, what its arguments say; a plugin that is not here has its defaults."""
    percentage: int = 0
    """How many of a hundred nodes are looked at until enough fit; 0: fewer the more nodes there are."""


def default_plugins() -> list[Plugin]:
    """All rules in the reference's order."""
    return sorted(exported("umiak.scheduler.plugins", "PLUGIN").values(), key=lambda p: p.order)


def default_profile(name: str = DEFAULT_NAME) -> Profile:
    return Profile(name, default_plugins())
