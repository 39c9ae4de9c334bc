"""Every built-in kind: its hooks take an empty object, its columns and selectors a poor one."""

import pytest

from umiak.api.registry import kinds
from umiak.api.schema import decode, normalize


@pytest.mark.parametrize("kind", kinds(), ids=repr)
def test_hooks_take_an_empty_object(kind):
    obj, _ = decode(kind.schema, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}})
    kind.default(obj)
    kind.prepare_create(obj)
    kind.validate(obj)
    kind.warnings(obj, None)
    old = normalize(kind.schema, obj)
    assert kind.judges_updates_alone or kind.validate_update(old, old) == []
    kind.prepare_update(obj, old)
    kind.prepare_status(obj, old)
    assert kind.validate_status(old, old) == []


@pytest.mark.parametrize("kind", kinds(), ids=repr)
def test_defaulting_twice_changes_nothing(kind):
    obj, _ = decode(kind.schema, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}})
    kind.default(obj)
    first = repr(obj)
    kind.default(obj)
    assert repr(obj) == first


@pytest.mark.parametrize("kind", kinds(), ids=repr)
def test_columns_and_selectors_take_a_poor_object(kind):
    obj = {"metadata": {"name": "x"}, "spec": {}}
    for column in kind.columns:
        column.cell(obj, 0.0)
    for read in kind.selectable.values():
        assert isinstance(read(obj), str)
