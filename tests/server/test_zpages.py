"""`/statusz` and `/flagz`, in the form that kube-apiserver 1.37.1 gives them."""

import pytest

from umiak.server.settings import VERSION

STRUCTURED = "application/json;v=v1beta1;g=config.k8s.io;as="


async def test_statusz_for_people(api):
    answer = await api.raw("GET", "/statusz")
    lines = answer.body.decode().splitlines()
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert lines[:2] == ["", "apiserver statusz"]
    assert lines[5] == "Up: 0 hr 00 min 00 sec"
    assert lines[7:] == [
        f"Binary version: {VERSION[1:]}",
        "Emulation version: 1.37",
        "Paths: /flagz /healthz /livez /metrics /readyz /statusz /version",
    ]


async def test_statusz_as_an_object(api):
    answer = await api.raw("GET", "/statusz", accept=f"{STRUCTURED}Statusz")
    assert answer.headers["content-type"] == "application/json;g=config.k8s.io;v=v1beta1;as=Statusz"
    _, found = await api("GET", "/statusz", accept=f"{STRUCTURED}Statusz")
    assert (found["kind"], found["apiVersion"]) == ("Statusz", "config.k8s.io/v1beta1")
    assert found["metadata"] == {"name": "apiserver"}
    assert (found["uptimeSeconds"], found["emulationVersion"]) == (0, "1.37")


async def test_flagz(api, server):
    answer = await api.raw("GET", "/flagz", accept="text/plain")
    assert answer.body.decode().splitlines()[1] == "apiserver flagz"
    _, found = await api("GET", "/flagz", accept=f"{STRUCTURED}Flagz")
    assert found["flags"] == dict(server.settings.flags)


@pytest.mark.parametrize("accept", ["application/json", f"{STRUCTURED}Flagz", "application/yaml", "image/png"])
async def test_other_forms_are_refused(api, accept):
    answer = await api.raw("GET", "/statusz", accept=accept)
    assert answer.status == 406
    said = " ".join(answer.body.decode().split())
    assert "only the following media types are accepted: application/json, application/yaml, text/plain" in said
