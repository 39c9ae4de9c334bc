"""Fixtures for pytest; found by itself wherever umiak is installed.

| fixture | is |
|---|---|
| `umiak_cluster` | a cluster with controllers, scheduler and a simulated node; every test finds it as new |
| `umiak_apiserver` | likewise, the API server alone |
| `umiak_session_cluster`, `umiak_session_apiserver` | the same for the whole session, keeping what tests leave |
| `umiak_new_cluster` | makes further ones of any kind: `umiak_new_cluster(nodes=3, virtual_time=True)` |

When a test fails, what was asked of its clusters over HTTP stands in the report. Under pytest-xdist every worker has
clusters of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from umiak.testing.embedded.cluster import Cluster

MOST_LINES = 200
"""Of requests shown in the report of a failure."""
READY_SECONDS = 300.0
FIXTURES = ("umiak_cluster", "umiak_apiserver", "umiak_session_cluster", "umiak_session_apiserver", "umiak_new_cluster")
MakeCluster = Callable[..., "Cluster"]


@pytest.fixture(scope="session")
def umiak_session_cluster() -> "Iterator[Cluster]":
    from umiak.testing import Cluster

    with Cluster() as cluster:
        cluster.settle(READY_SECONDS)
        yield cluster


@pytest.fixture(scope="session")
def umiak_session_apiserver() -> "Iterator[Cluster]":
    from umiak.testing import Cluster

    with Cluster(controllers=False, nodes=0) as cluster:
        yield cluster


@pytest.fixture
def umiak_cluster(umiak_session_cluster: "Cluster") -> "Iterator[Cluster]":
    with umiak_session_cluster.isolated():
        yield umiak_session_cluster


@pytest.fixture
def umiak_apiserver(umiak_session_apiserver: "Cluster") -> "Iterator[Cluster]":
    with umiak_session_apiserver.isolated():
        yield umiak_session_apiserver


@pytest.fixture
def umiak_new_cluster() -> Iterator[MakeCluster]:
    from umiak.testing import Cluster

    with ExitStack() as stack:
        yield lambda **wishes: stack.enter_context(Cluster(**wishes))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if name in FIXTURES and (asked := str(getattr(value, "requests", ""))):
                report.sections.append((f"requests to {name}", "\n".join(asked.splitlines()[-MOST_LINES:])))
    return report
