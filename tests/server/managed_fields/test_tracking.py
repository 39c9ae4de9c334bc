"""Managed fields and the plugins that change objects."""

import pytest

from umiak.server.call import Gate
from umiak.server.contract import Admission, Phase

MAPS = "/api/v1/namespaces/default/configmaps"
ENTRY = {
    "manager": "x",
    "operation": "Update",
    "apiVersion": "v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:data": {}},
}


def setting(entries):
    async def run(around, request, phase):
        request.new["metadata"]["managedFields"] = entries

    return Gate([Admission(name="Setting", order=1, phases=(Phase.MUTATE,), run=run)], None)


@pytest.mark.parametrize(
    ("entries", "managers", "warned"),
    [
        pytest.param([ENTRY], ["x"], "", id="valid"),
        pytest.param(
            [{**ENTRY, "operation": "Odd"}], ["me"], "operation must be `Apply` or `Update`", id="invalid operation"
        ),
        pytest.param(
            [ENTRY, {**ENTRY, "fieldsType": ""}], ["me"], "missing fieldsType in managed fields entry 1", id="no type"
        ),
        pytest.param(
            [{**ENTRY, "fieldsType": "Y"}],
            ["me"],
            r"invalid fieldsType \"Y\" in managed fields entry 0",
            id="other type",
        ),
    ],
)
async def test_plugins_do_not_spoil_managers(server, api, entries, managers, warned):
    server.gate = setting(entries)
    body = {"metadata": {"name": "m"}, "data": {"a": "b"}}
    made = await api.raw("POST", f"{MAPS}?fieldManager=me", body)
    server.gate = Gate([], None)
    _, found = await api("GET", f"{MAPS}/m")
    told = [value for name, value in made.headers.items() if name.lower() == "warning"]
    assert [entry["manager"] for entry in found["metadata"]["managedFields"]] == managers
    assert [warned in text for text in told] == ([True] if warned else [])
