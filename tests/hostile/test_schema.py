"""What the served OpenAPI describes, asked by schemathesis with data that fits it, and data that does not.

Each answer is one that kube-apiserver gives too; the server meets nothing it did not foresee. CI asks some operations,
chosen by a fixed seed; `UMIAK_SCHEMA_CASES=20 scripts/test tests/hostile/test_schema.py` asks all of them, so often.
"""

import logging
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from inside import Panics

from umiak.testing import Cluster
from umiak.testing.patience import LONG

CASES = int(os.environ.get("UMIAK_SCHEMA_CASES", "0"))
SOME = 40
"""Operations that CI asks, twice each."""
ELSEWHERE = ("/watch/", "/proxy", "/exec", "/attach", "/portforward", "/log", "/pods/{name}/status")
"""Answers of nodes and of servers behind this one, and streams."""
FORESEEN = (
    "failed to create typed patch object",
    "Timeout: Too large resource version",
    "failed to convert new object",
)
"""What the reference, too, answers with 500 and 504."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(controllers=False) as found:
        yield found


def _get(cluster: Cluster, path: str) -> Any:
    import requests

    answer = requests.get(
        cluster.url + path, headers={"Authorization": f"Bearer {cluster.token}"}, verify=cluster.ca, timeout=LONG
    )
    return answer.json()


def _operations(cluster: Cluster) -> list[Any]:
    groups = sorted(path for path in _get(cluster, "/openapi/v3")["paths"] if path.count("/") > 1)
    dice = random.Random(4)
    chosen = groups if CASES else dice.sample(groups, 6)
    found = [
        result.ok()
        for group in chosen
        for result in schemathesis.openapi.from_dict(_get(cluster, f"/openapi/v3/{group}")).get_all_operations()
    ]
    found = [operation for operation in found if not any(part in operation.path for part in ELSEWHERE)]
    return found if CASES else dice.sample(found, SOME)


@pytest.mark.timeout(3600)
def test_described_operations(cluster: Cluster) -> None:
    panics = Panics()
    logging.getLogger("umiak.server.app").addHandler(panics)
    try:
        for operation in _operations(cluster):
            _ask(cluster, operation, panics)
    finally:
        logging.getLogger("umiak.server.app").removeHandler(panics)


def _ask(cluster: Cluster, operation: Any, panics: Panics) -> None:
    @settings(
        max_examples=CASES or 2,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if case.query:
            case.query.pop("watch", None)  # it would go on until the timeout
        headers = {"Authorization": f"Bearer {cluster.token}"}
        answer = case.call(base_url=cluster.url, headers=headers, verify=cluster.ca, timeout=LONG)
        assert panics.last is None, (operation.label, case.query, case.body)
        if answer.status_code >= 500:
            assert answer.json()["message"].startswith(FORESEEN), (operation.label, answer.text)

    ask()
