from collections.abc import Iterator
from pathlib import Path

import pytest
from attacked import Attacked

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder are of one tier."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker("hostile")


CONFIG_MAP = {"metadata": {"name": "cm"}, "data": {"a": "b"}}
TEMPLATE = {
    "metadata": {"name": "t"},
    "template": {"spec": {"containers": [{"name": f"c{i}", "image": "x"} for i in range(2000)]}},
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One for all tests: whoever breaks it breaks the next ones."""
    found = Attacked(tmp_path_factory.mktemp("hostile"))
    found.start()
    found.ask("POST", "/api/v1/namespaces/default/configmaps", CONFIG_MAP)
    found.ask("POST", "/api/v1/namespaces/default/podtemplates", TEMPLATE)
    yield found
    assert found.process.poll() is None, "the server is gone:\n" + "".join(found.lines[-50:])
    found.stop()
