"""The pytest plugin, in a pytest of its own."""

import pytest

pytest_plugins = ["pytester"]

TESTS = """
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}

def test_first(umiak_apiserver):
    umiak_apiserver.client.create(CONFIG)

def test_second_finds_it_as_new(umiak_apiserver):
    umiak_apiserver.client.create(CONFIG)

def test_another(umiak_new_cluster):
    assert umiak_new_cluster(controllers=False).client.find("cm", "a") is None

def test_failing(umiak_apiserver):
    import ssl, urllib.request
    request = urllib.request.Request(umiak_apiserver.url + "/version")
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=umiak_apiserver.ca)).close()
    assert False
"""


SIDE_BY_SIDE = """
import pytest

@pytest.mark.parametrize("number", range(16))
def test_nobody_else_is_here(umiak_cluster, worker_id, number):
    client = umiak_cluster.client
    assert client.list("secrets", "default") == []
    for count in range(5):
        client.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{worker_id}-{count}"}})
    found = {obj["metadata"]["name"] for obj in client.list("secrets", "default")}
    assert found == {f"{worker_id}-{count}" for count in range(5)}
"""


@pytest.mark.slow
def test_eight_workers_of_xdist_do_not_disturb_each_other(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SIDE_BY_SIDE)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n", "8")
    result.assert_outcomes(passed=16)


@pytest.mark.slow
def test_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*requests to umiak_apiserver*", "200 get /version"])
