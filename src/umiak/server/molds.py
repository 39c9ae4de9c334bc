"""Objects that are alike come from one mold: all but the first of them are written without being worked out again.

Controllers make pods by the hundred from one template. What is stored of one follows from the body, from who sends it,
and from a few objects that admission looks at; only the name, the uid, the times and the revision are its own. So the
stored bytes of the first are kept with these left out, and hold as long as nothing that admission looked at changes.
Plugins say what that is (`Admission.looks_at`); one that does not say it, and is not dormant, makes no two writes
alike, and neither does one that sets `Admitted.alike` to False.
"""

import re
import secrets
from collections.abc import Sequence

import msgspec

from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server import metadata, stored
from umiak.server.call import Call
from umiak.server.contract import Admitted
from umiak.server.intake import body_key
from umiak.server.managed_fields import manager
from umiak.server.options import WriteOptions
from umiak.server.special import ORDINARY
from umiak.store.contract import Render

_SECRET = secrets.token_hex(16)
_NAME, _UID, _TIME, _REVISION = (f"{_SECRET}{letter}".encode() for letter in "nutr")
"""Stand for what is each object's own; nobody else can know them, so they are found nowhere else."""
_PLACES = re.compile(f"({_SECRET}[nutr])".encode())

Changes = tuple[int, ...]


class Mold(msgspec.Struct, frozen=True):
    """`parts` are the stored bytes, cut where something of an object's own belongs, and the marks that say what."""

    parts: tuple[bytes, ...]
    prefix: str
    """What names are generated from, where none is sent."""
    warnings: tuple[str, ...]
    changes: Changes
    """How often what admission looks at had changed."""

    def cast(self, name: str, uid: str, time: str) -> Render:
        """The bytes of another object, once its revision is known."""
        own = {_NAME: msgspec.json.encode(name)[1:-1], _UID: uid.encode(), _TIME: time.encode()}
        made = [own.get(part, part) for part in self.parts]
        place = made.index(_REVISION)

        def render(revision: int) -> bytes:
            made[place] = b"%d" % revision
            return b"".join(made)

        return render


class Order(msgspec.Struct):
    """A wish for a new object that may be like one before. `name` is empty when one is to be generated."""

    call: Call
    key: tuple[object, ...]
    name: str
    changes: Changes

    def mold(self) -> Mold | None:
        """One that fits, if nothing has changed and the object's name will do."""
        found = self.call.app.molds.get(self.key)
        if found is None or found.changes != self.changes:
            return None
        if self.name and metadata.name_faults(self.call.kind, self.name):
            return None
        return found

    def learn(self, admitted: Admitted, value: bytes) -> None:
        """Keeps what came of a whole creation; `value` is what was stored."""
        kind, obj = self.call.kind, msgspec.json.decode(value)
        if not admitted.alike or kind.judged_by is None or not kind.judged_by(obj):
            return
        prefix = obj["metadata"].get("generateName") or ""
        parts = tuple(_PLACES.split(stored.encode(kind, _marked(obj))))
        made = Mold(parts, prefix, tuple(self.call.warnings), self.changes)
        self.call.app.molds.keep(self.key, made, 2 * len(value))


def _marked(obj: Object) -> Object:
    about = obj["metadata"]
    time = _TIME.decode()
    about |= {"name": _NAME.decode(), "uid": _UID.decode(), "creationTimestamp": time}
    about["resourceVersion"] = _REVISION.decode()
    for entry in about.get("managedFields") or ():
        entry["time"] = time
    return obj


def order(call: Call, options: WriteOptions) -> Order | None:
    """None for what has to be worked out in any case, as has a body that is seen for the first time."""
    app, kind = call.app, call.kind
    if options.dry_run or call.request.audit is not None or app.special(kind) is not ORDINARY:
        return None
    roots = app.gate.looks_at(kind.plural, "CREATE")
    found = body_key(call, options.directive) if roots is not None and stored.is_direct(kind) else None
    if found is None or roots is None or app.intakes.get(found[0]) is None:
        return None
    (body, name), user = found, call.user
    who = user.name, user.uid, user.groups
    key = (body, call.namespace, who, manager.name_of(options.manager, call.request.header("user-agent")))
    return Order(call, key, name, _changes(call, roots))


def _changes(call: Call, roots: Sequence[str]) -> Changes:
    count = call.app.store.changes
    return tuple([count(root) for root in roots])


def cast(order: Order, mold: Mold) -> tuple[str, Render]:
    """(the name of the next object, its bytes)"""
    app = order.call.app
    name = order.name or metadata.generated_name(mold.prefix, app.dice)
    return name, mold.cast(name, metadata.new_uid(app.dice), format_time(app.clock.now()))
