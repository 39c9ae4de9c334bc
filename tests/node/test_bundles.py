"""Which trust bundles a volume gets, by name or by signer and labels."""

from types import SimpleNamespace

import pytest

from umiak.api.certificates import clustertrustbundle
from umiak.node.bundles import certificates
from umiak.node.volume import CannotMount
from umiak.testing.workbench import Workbench

ONE, TWO = ("-----BEGIN CERTIFICATE-----\n" + text + "\n-----END CERTIFICATE-----\n" for text in ("AA==", "BB=="))
SIGNER = "a.example/b"


@pytest.fixture
async def tools():
    async with Workbench.real() as cluster:
        for name, labels, text in (("one", {"n": "1"}, ONE), ("two", {"n": "2"}, TWO + ONE)):
            about = {"name": f"a.example:b:{name}", "labels": labels}
            spec = {"signerName": SIGNER, "trustBundle": text}
            await cluster.create(clustertrustbundle.KIND, {"metadata": about, "spec": spec})

        async def find(kind, namespace, name):
            return await cluster.find(kind, name, namespace)

        yield SimpleNamespace(client=cluster.client, fetch=SimpleNamespace(find=find))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param({"name": "a.example:b:one"}, ONE, id="by name"),
        pytest.param({"signerName": SIGNER, "labelSelector": {"matchLabels": {"n": "1"}}}, ONE, id="by label"),
        pytest.param({"signerName": SIGNER, "labelSelector": {}}, ONE + TWO, id="all, each certificate once"),
        pytest.param({"signerName": SIGNER, "optional": True}, None, id="no selector matches nothing"),
        pytest.param({"name": "none", "optional": True}, None, id="none, and none needed"),
    ],
)
async def test_certificates(tools, source, found):
    assert await certificates(tools, source) == (found.encode() if found is not None else None)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"name": "x"}, 'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "x" not found'),
        ({"signerName": SIGNER}, "combination of signerName and labelSelector matched zero ClusterTrustBundles"),
    ],
)
async def test_none_where_one_is_needed(tools, source, text):
    with pytest.raises(CannotMount) as raised:
        await certificates(tools, source)
    assert str(raised.value) == text
