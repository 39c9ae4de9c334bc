"""Placement is the real kube-scheduler's, on clusters that hypothesis generates now. Needs Go."""

from collections.abc import Iterator

import pytest
from generated_cluster import clusters
from hypothesis import HealthCheck, given, settings
from placement_compare import all_differences
from placement_oracle import Oracle

pytestmark = [pytest.mark.clients, pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle() as running:
        yield running


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(objects=clusters())
def test_places_pods_as_the_reference_does(oracle, objects):
    assert all_differences(objects, oracle.answers(objects)) == []
