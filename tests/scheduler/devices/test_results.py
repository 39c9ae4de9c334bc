"""What is written into a claim that got its devices."""

import pytest

CLASS_CONFIG = {"opaque": {"driver": "driver-a", "parameters": {"of": "class"}}}
OWN_CONFIG = {"opaque": {"driver": "driver-a", "parameters": {"of": "claim"}}}


@pytest.fixture
def configured(say):
    def ask(*requests: dict, config=()):
        classes = [say.device_class("class-a", config=[CLASS_CONFIG]), say.device_class("class-b")]
        devices = [say.device(f"device-{i}") for i in range(4)]
        found = say.allocated([say.claim(*requests, config=list(config))], [say.slice(*devices)], classes)
        return found[0]["devices"].get("config")

    return ask


def test_of_the_class_once_for_all_requests(configured, say):
    assert configured(say.request("a"), say.request("b")) == [{"source": "FromClass", **CLASS_CONFIG}]


def test_of_the_class_for_its_requests(configured, say):
    found = configured(say.request("a"), say.request("b", deviceClassName="class-b"))
    assert found == [{"source": "FromClass", "requests": ["a"], **CLASS_CONFIG}]


@pytest.mark.parametrize(
    ("names", "want"),
    [
        pytest.param([], [{"source": "FromClaim", **OWN_CONFIG}], id="for all"),
        pytest.param(["a"], [{"source": "FromClaim", "requests": ["a"], **OWN_CONFIG}], id="for one"),
        pytest.param(["a", "b"], [{"source": "FromClaim", **OWN_CONFIG}], id="for each"),
        pytest.param(["b/sub-0"], [{"source": "FromClaim", "requests": ["b/sub-0"], **OWN_CONFIG}], id="alternative"),
        pytest.param(["b/sub-1"], None, id="for an alternative that was not come to"),
    ],
)
def test_of_the_claim(configured, say, names, want):
    requests = (
        say.request("a", deviceClassName="class-b"),
        say.alternatives("b", {"deviceClassName": "class-b"}, {"deviceClassName": "class-b"}),
    )
    config = {**OWN_CONFIG, **({"requests": names} if names else {})}
    assert configured(*requests, config=[config]) == want


def test_devices_of_a_node_can_be_used_there(say):
    found = say.allocated([say.claim(say.request())], [say.slice(say.device("d"))])
    own = {"key": "metadata.name", "operator": "In", "values": ["node-1"]}
    assert found[0]["nodeSelector"] == {"nodeSelectorTerms": [{"matchFields": [own]}]}


def test_devices_of_all_nodes_can_be_used_everywhere(say):
    found = say.allocated([say.claim(say.request())], [say.slice(say.device("d"), allNodes=True)])
    assert "nodeSelector" not in found[0]


def test_devices_that_bind_to_the_node(say):
    slices = [say.slice(say.device("d", bindsToNode=True), allNodes=True)]
    found = say.allocated([say.claim(say.request())], slices)
    assert found[0]["nodeSelector"]["nodeSelectorTerms"][0]["matchFields"][0]["values"] == ["node-1"]


def test_selectors_are_merged(say):
    def region(*more: dict) -> dict:
        own = {"key": "region", "operator": "In", "values": ["r1"]}
        return {"nodeSelectorTerms": [{"matchExpressions": [own, *more]}]}

    exists = {"key": "region", "operator": "Exists"}
    slices = [
        say.slice(say.device("d"), name="a", pool="a", nodeSelector=region()),
        say.slice(say.device("d"), name="b", pool="b", nodeSelector=region(exists)),
    ]
    found = say.allocated([say.claim(say.request(count=2))], slices)
    assert found[0]["nodeSelector"] == region(exists)
