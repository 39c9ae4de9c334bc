"""When plugins that change objects get a second look at a write.

As soon as a webhook or policy changed the object, all plugins are asked once more; of webhooks and policies only those
that wish so, and after whose own turn something changed. Source: apiserver's `pkg/admission/reinvocation.go` and the
`reinvocationcontext.go` of both plugins.
"""

from collections.abc import Hashable

import msgspec

from umiak.objects import encoding
from umiak.objects.types import Object
from umiak.server.contract import Admitted


class Turns(msgspec.Struct):
    """Whom one plugin asked: `eager` are those who want to be asked again after a change, `due` those who will be."""

    eager: set[Hashable] = msgspec.field(default_factory=set)
    due: set[Hashable] = msgspec.field(default_factory=set)
    last: Object | None = None
    """The object as the plugin left it, when anybody is eager."""

    def call_again(self) -> None:
        self.due |= self.eager
        self.eager = set()


class Reinvocation(msgspec.Struct):
    is_wanted: bool = False
    is_second: bool = False
    """Whether this is the second look."""
    turns: dict[str, Turns] = msgspec.field(default_factory=dict)


def start(request: Admitted, plugin: str) -> tuple[Reinvocation, Turns]:
    """A plugin's part begins. In the second look, all eager ones are due when others changed the object meanwhile."""
    if request.reinvocation is None:
        request.reinvocation = Reinvocation()
    found = request.reinvocation
    turns = found.turns.setdefault(plugin, Turns())
    if found.is_second and turns.eager and turns.last != request.new:
        turns.call_again()
    return found, turns


def end(request: Admitted, turns: Turns) -> None:
    if turns.eager:
        turns.last = encoding.copy(request.new)
