"""JSON merge patch (RFC 7386), with the reference's habit of dropping nulls from what it takes over, lists included."""

from typing import Any


def apply(document: Any, patch: Any) -> Any:
    """The patched document. `document` is changed in place where it can be; parts of `patch` are shared."""
    if not isinstance(patch, dict) or not isinstance(document, dict):
        return _without_nulls(patch)
    for key, value in patch.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(document.get(key), dict):
            document[key] = apply(document[key], value) if isinstance(value, dict) else value
        else:
            document[key] = _without_nulls(value)
    return document


def _without_nulls(value: Any) -> Any:
    """Nulls in objects go, at any depth; those that are elements of lists stay."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
