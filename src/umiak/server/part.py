"""What of an object a path shows and changes: the object itself, its status, its scale ..."""

from collections.abc import Callable, Mapping

import msgspec

from umiak.api.kind import Kind
from umiak.objects.errors import FieldError
from umiak.objects.types import Object
from umiak.server.call import Handler


def itself(kind: Kind, obj: Object) -> Object:
    """The view of a part that shows the whole object."""
    return obj


def taken(kind: Kind, sent: Object, old: Object) -> Object:
    """What is sent is the new object."""
    return sent


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How updates and patches of one path treat an object.

    `view` is what clients see and send (default: the object); `live` is that with the managed fields of the view, on
    which patches work; `merge` puts a sent view back into the stored object.
    `prepare` gets (kind, new, old) and undoes what may not change here; `validate` says what is wrong after
    that, `warnings` what is odd.
    """

    name: str
    body_kind: Callable[[Kind], Kind] = lambda kind: kind
    view: Callable[[Kind, Object], Object] = itself
    live: Callable[[Kind, Object], Object] = itself
    merge: Callable[[Kind, Object, Object], Object] = taken
    prepare: Callable[[Kind, Object, Object], None]
    validate: Callable[[Kind, Object, Object], list[FieldError]]
    warnings: Callable[[Kind, Object, Object], list[str]] = lambda kind, new, old: []
    creates: bool = False


def _prepare(kind: Kind, new: Object, old: Object) -> None:
    kind.drop(new)
    kind.prepare_update(new, old)


def faults_of_update(kind: Kind, new: Object, old: Object) -> list[FieldError]:
    """A custom kind's check of updates says all, since it is lenient with what was wrong before."""
    if kind.is_custom or kind.judges_updates_alone:
        return kind.validate_update(new, old)
    own = [] if _is_relabelled(new, old) else kind.validate(new)
    return [*own, *kind.validate_update(new, old)]


def _is_relabelled(new: Object, old: Object) -> bool:
    """Whether only labels, owners, finalizers or managers differ: what a kind checks was checked when it was stored."""
    if new["metadata"].get("annotations") != old["metadata"].get("annotations"):
        return False
    return all(new.get(name) == old.get(name) for name in {**new, **old} if name != "metadata")


WHOLE = Part(
    name="",
    prepare=_prepare,
    validate=faults_of_update,
    warnings=lambda kind, new, old: kind.warnings(new, old),
    creates=True,
)
"""The object itself; its status stays as it is where there is a status subresource."""


class SubresourceHandlers(msgspec.Struct, frozen=True, kw_only=True):
    """One subresource: whose it is and what each HTTP method does.

    `of` names (group, plural); None means every kind that declares a subresource of this name.
    """

    name: str
    of: tuple[tuple[str, str], ...] | None = None
    methods: Mapping[str, Handler] = msgspec.field(default_factory=dict)
    connects: bool = False
    """Whether whatever follows the name in the path belongs to it, and the answer is somebody else's stream."""

    def answer(self, method: str) -> Handler | None:
        return self.methods.get(method)
