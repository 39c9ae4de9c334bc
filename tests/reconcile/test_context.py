"""What the server does not find when it is to be changed is shown as gone."""

import pytest

from umiak.api.core.pod import KIND as POD
from umiak.objects.errors import StatusError, not_found
from umiak.objects.meta import Key
from umiak.reconcile import context
from umiak.reconcile.context import is_missing
from umiak.testing.fakeapi import FakeApi

A = Key("shop", "a")
A_POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}, "spec": {}}


@pytest.mark.parametrize("way", ["patch", "update"])
async def test_gone_by_anothers_hand(clock, way):
    api = FakeApi(clock)
    runtime = context.build(api, clock=clock)
    runtime.tables.ensure(POD)
    made = await runtime.client.create(POD, A_POD)
    await api.delete(POD, "a", "shop")
    assert runtime.tables.keys(POD) == [A]
    with pytest.raises(StatusError, match="not found"):
        if way == "patch":
            await runtime.client.patch(POD, "a", "shop", {"metadata": {"labels": {"b": "c"}}})
        else:
            await runtime.client.update(POD, made, subresource="status")
    assert runtime.tables.keys(POD) == []


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        pytest.param(not_found("", "pods", "a"), True, id="the pod"),
        pytest.param(not_found("", "pods", "b"), False, id="another"),
        pytest.param(not_found("", "namespaces", "a"), False, id="a namespace"),
        pytest.param(StatusError(404, "NotFound", "the server could not find it"), False, id="the kind"),
        pytest.param(StatusError(409, "Conflict", "", {"kind": "pods", "name": "a"}), False, id="a conflict"),
    ],
)
def test_what_says_that_it_is_missing(error, missing):
    assert is_missing(error, POD, A) is missing
