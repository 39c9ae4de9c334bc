"""The measured part of docs/differences.md is what the suites found."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

import pytest
from reading import ROOT

CONFORMANCE = """# Conformance
## Every test
| **all** | 462 | 460 | 1 | 1 |
### What fails

| test | why |
|---|---|
| a test | a reason |

## Not run yet
"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("differences", str(ROOT / "scripts" / "differences"))
    spec = spec_from_loader("differences", loader)
    assert spec is not None
    found = module_from_spec(spec)
    loader.exec_module(found)
    return found


def test_counts(script: ModuleType) -> None:
    found = list(script.measures({"equal": 999, "of": 1000}, script.suites(CONFORMANCE)))
    assert found == [
        "| answers recorded of kube-apiserver, asked again | 999 of 1,000 equal (99.90%) |",
        "| [conformance](conformance.md): every test | 460 of 461 passed |",
    ]


def test_answers_are_told_by_reason(script: ModuleType) -> None:
    differ = {"one": "status", "two": "response", "three": "response.kind"}
    rows = list(script.answers({"differ": differ}, {"one": "a < b", "two": "a < b"}))
    assert rows[1:] == ["| a &lt; b | one, two |", "| `response.kind`; not explained | three |"]
    assert list(script.answers({"differ": {}}, {})) == []


def test_tests_that_fail(script: ModuleType) -> None:
    assert list(script.failures(script.suites(CONFORMANCE)))[1:] == ["| a test | a reason |"]
    assert list(script.failures({})) == []
