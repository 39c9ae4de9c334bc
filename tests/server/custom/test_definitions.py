"""A definition becomes kinds at once; its names are judged; it takes its objects with it when it goes."""

import asyncio
import subprocess
import sys

import pytest

from umiak.objects.errors import StatusError
from umiak.store.memory import MemoryStore
from umiak.testing.patience import LONG

MANAGED = "kube-aggregator.kubernetes.io/automanaged"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KITES = "/apis/toys.example/v1/namespaces/default/kites"
NOWHERE = (404, "404 page not found\n")


def conditions(status):
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"] or ()}


async def test_served_within_a_moment(api):
    assert await api("GET", KITES) == NOWHERE
    await api.define()
    status, found = await api("GET", KITES)
    assert (status, found["kind"], found["items"]) == (200, "KiteList", [])
    assert api.changes == 1


async def test_conditions_and_accepted_names(api):
    await api.define(names={"plural": "kites", "kind": "Kite", "shortNames": ["kt"], "categories": ["toys"]})
    status = await api.status_of("kites.toys.example")
    assert conditions(status) == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert status["acceptedNames"] == {
        "plural": "kites",
        "singular": "kite",
        "shortNames": ["kt"],
        "kind": "Kite",
        "listKind": "KiteList",
        "categories": ["toys"],
    }


async def test_a_name_that_becomes_free_goes_to_who_waits_for_it(api):
    await api.define()
    await api.define("trains", names={"plural": "trains", "kind": "Kite", "listKind": "TrainList"}, scope="Cluster")
    status = await api.status_of("trains.toys.example")
    assert conditions(status) == {"NamesAccepted": ("False", "KindConflict"), "Established": ("False", "NotAccepted")}
    assert status["conditions"][0]["message"] == '"Kite" is already in use'
    assert await api("GET", "/apis/toys.example/v1/trains") == NOWHERE
    await api("DELETE", f"{DEFINITIONS}/kites.toys.example")
    await api.settled()
    status = await api.status_of("trains.toys.example")
    assert conditions(status)["Established"] == ("True", "InitialNamesAccepted")
    assert (await api("GET", "/apis/toys.example/v1/trains"))[0] == 200


async def test_a_protected_group_needs_approval(api):
    made = {
        "metadata": {"name": "kites.toys.k8s.io", "annotations": {"api-approved.kubernetes.io": "unapproved, a test"}},
        "spec": {
            "group": "toys.k8s.io",
            "scope": "Cluster",
            "names": {"plural": "kites", "kind": "Kite"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    assert (await api("POST", DEFINITIONS, made))[0] == 201
    await api.settled()
    found = conditions(await api.status_of("kites.toys.k8s.io"))
    assert found["KubernetesAPIApprovalPolicyConformant"] == ("False", "UnapprovedAnnotation")


async def test_each_version_has_its_api_service(api):
    services = "/apis/apiregistration.k8s.io/v1/apiservices"
    await api.define()
    _, found = await api("GET", f"{services}/v1.toys.example")
    assert (found["spec"]["groupPriorityMinimum"], found["spec"]["versionPriority"]) == (1000, 100)
    assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
    await api("DELETE", f"{DEFINITIONS}/kites.toys.example")
    await api.settled()
    assert (await api("GET", f"{services}/v1.toys.example"))[0] == 404


async def test_its_api_service_comes_back_as_it_was(api):
    """As kube-aggregator's autoregister controller does; one without its label is somebody else's."""
    service = "/apis/apiregistration.k8s.io/v1/apiservices/v1.toys.example"
    await api.define()
    _, first = await api("GET", service)
    await api("DELETE", service)
    await api.settled()
    _, again = await api("GET", service)
    assert (again["spec"], again["metadata"]["labels"]) == (first["spec"], first["metadata"]["labels"])
    for labels, priority in (({"x": "y"}, 1000), ({MANAGED: None}, 5000)):
        patch = {"metadata": {"labels": labels}, "spec": {"groupPriorityMinimum": 5000}}
        await api.patch(service, patch)
        await api.settled()
        _, found = await api("GET", service)
        assert found["spec"]["groupPriorityMinimum"] == priority


async def test_objects_go_before_their_definition(api, kite):
    await api.define()
    held = kite("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    for obj in (kite(), held):
        assert (await api("POST", KITES, obj))[0] == 201
    status, going = await api("DELETE", f"{DEFINITIONS}/kites.toys.example")
    assert status == 200
    assert going["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert conditions(going["status"])["Terminating"] == ("True", "InstanceDeletionPending")
    await api.settled()
    assert [k["metadata"]["name"] for k in (await api("GET", KITES))[1]["items"]] == ["held"]
    await api.patch(f"{KITES}/held", {"metadata": {"finalizers": None}})
    await api.settled()
    assert (await api("GET", f"{DEFINITIONS}/kites.toys.example"))[0] == 404
    assert await api("GET", KITES) == NOWHERE


async def test_nothing_is_created_while_the_definition_goes(api, kite):
    await api.define()
    held = kite("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api("POST", KITES, held)
    await api("DELETE", f"{DEFINITIONS}/kites.toys.example")
    await api.settled()
    status, refused = await api("POST", KITES, kite("new"))
    why = "create not allowed while custom resource definition is terminating"
    assert (status, refused["message"]) == (403, f'kites.toys.example "new" is forbidden: {why}')


async def test_a_changed_schema_is_in_force_at_once_and_for_stored_objects_too(api, kite, plain_version):
    await api.define()
    await api("POST", KITES, kite(free={"x": 1}))
    size = {"type": "object", "properties": {"size": {"type": "string", "default": "m"}}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": size}}}
    changed = {"spec": {"versions": [{**plain_version, "schema": schema}]}}
    assert (await api.patch(f"{DEFINITIONS}/kites.toys.example", changed))[0] == 200
    assert (await api("GET", f"{KITES}/a"))[1]["spec"] == {"size": "m"}


async def test_a_watch_ends_with_the_definition(api, kite):
    await api.define()
    await api("POST", KITES, kite())
    watching = asyncio.create_task(api.lines(f"{KITES}?watch=true&resourceVersion=1"))
    await api.settled()
    await api("DELETE", f"{DEFINITIONS}/kites.toys.example")
    lines = b"".join(await asyncio.wait_for(watching, LONG)).splitlines()
    assert lines[0].startswith(b'{"type":"ADDED"')


async def test_clients_in_the_same_process_are_told_that_there_is_no_such_kind(api):
    with pytest.raises(StatusError) as error:
        await api.lines(f"{KITES}?watch=true")
    assert (error.value.code, error.value.reason) == (404, "NotFound")


async def test_definitions_outlive_the_server(start, kite):
    store = MemoryStore()
    first, end = await start(store)
    await first.define()
    await first("POST", KITES, kite())
    await end()
    second, end = await start(store)
    assert (await second("GET", f"{KITES}/a"))[1]["spec"] == {"colour": "red", "tails": 2}
    await end()
    await store.close()


async def test_two_servers_serve_the_same(start, kite):
    store = MemoryStore()
    (one, end_one), (two, end_two) = await start(store), await start(store)
    await one.define()
    await two.settled()
    assert (await two("POST", KITES, kite()))[0] == 201
    assert (await one("GET", f"{KITES}/a"))[0] == 200
    await one("DELETE", f"{DEFINITIONS}/kites.toys.example")
    await two.settled()
    assert await two("GET", KITES) == NOWHERE
    for end in (end_one, end_two):
        await end()
    await store.close()


def test_nothing_is_loaded_before_there_is_a_definition():
    code = "import sys, umiak.server.assembly; print([m for m in sys.modules if m.startswith('umiak.server.custom.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['umiak.server.custom.follow']"
