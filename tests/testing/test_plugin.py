"""The pytest plugin, in a pytest of its own."""

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.timeout(120)

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


@pytest.mark.slow
def test_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*requests to umiak_apiserver*", "200 get /version"])
