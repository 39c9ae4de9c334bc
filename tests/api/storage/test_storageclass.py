"""Which class is the default, and how a list shows it."""

import msgspec
import pytest

from umiak.api.storage.storageclass import DEFAULT_ANNOTATIONS, KIND, effective_default
from umiak.server.tables import table

MARK, OLD_MARK = DEFAULT_ANNOTATIONS


def a_class(name, mark="", minute=0):
    about = {"name": name, "creationTimestamp": f"2026-03-01T12:{minute:02d}:00Z"}
    return {"metadata": about | ({"annotations": {mark: "true"}} if mark else {}), "provisioner": "p"}


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        pytest.param([a_class("a")], "", id="none"),
        pytest.param([a_class("a", MARK, 1), a_class("b", OLD_MARK, 2), a_class("c", "", 3)], "b", id="newest"),
        pytest.param([a_class("b", MARK), a_class("a", MARK)], "a", id="equally new"),
    ],
)
def test_effective_default(classes, name):
    assert effective_default(classes) == name


@pytest.mark.parametrize(("is_list", "name"), [(True, "a (default)"), (False, "a")])
def test_only_lists_mark_it(is_list, name):
    value = msgspec.json.encode(a_class("a", MARK))
    shown = table(KIND, "v1", [value], {}, "None", 0, is_list=is_list)
    assert shown["rows"][0]["cells"][0] == name
