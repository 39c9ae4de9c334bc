"""Faults worded for what the client really sent: a list or map that it left empty is no missing one to the reference.

Objects are read without what is empty, since it means the same to everybody; only error texts that print a value show
`[]` or `{}` for the one and `null` for the other. So when an object is not valid, it is judged once more with the
empty values of the request put back, and where that finds the same faults, they are told in those words.
"""

from collections.abc import Callable
from typing import Any

from umiak.objects import encoding
from umiak.objects.encoding import Unreadable
from umiak.objects.errors import FieldError
from umiak.objects.types import Object
from umiak.server.call import Call

Faults = list[FieldError]


def as_sent(call: Call, obj: Object, faults: Faults, judge: Callable[[Object], Faults]) -> Faults:
    if not faults or call.kind.is_custom:
        return faults
    sent = _sent(call.request.body)
    whole = encoding.copy(obj)
    if not (_put_back(whole, sent) if isinstance(sent, dict) else _put_back_each(whole, sent)):
        return faults
    again = judge(whole)
    return again if [(f.type, f.path) for f in again] == [(f.type, f.path) for f in faults] else faults


def _sent(body: bytes) -> Any:
    """The body, or of a merge patch what it says; nothing when it is no JSON."""
    try:
        return encoding.from_json(body)
    except Unreadable:
        return None


def _put_back_each(value: Any, operations: Any) -> bool:
    """As `_put_back`, for the values of a JSON patch."""
    changed = False
    for operation in operations if isinstance(operations, list) else ():
        if isinstance(operation, dict) and isinstance(path := operation.get("path"), str) and "value" in operation:
            sent = operation["value"]
            for step in reversed(path.split("/")[1:]):
                sent = {step.replace("~1", "/").replace("~0", "~"): sent}
            changed |= _put_back(value, sent)
    return changed


def _put_back(value: Any, sent: Any) -> bool:
    """Whether anything was put into `value`, which lies where `sent` lay."""
    if isinstance(value, list) and isinstance(sent, list) and len(value) == len(sent):
        return sum(_put_back(item, other) for item, other in zip(value, sent, strict=True)) > 0
    if isinstance(value, list) and isinstance(sent, dict):
        value = {str(index): item for index, item in enumerate(value)}
    if not isinstance(value, dict) or not isinstance(sent, dict):
        return False
    changed = False
    for name, other in sent.items():
        if value.get(name) is None and other in ({}, []):
            value[name] = other
            changed = True
        else:
            changed |= _put_back(value.get(name), other)
    return changed
