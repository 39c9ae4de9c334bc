"""The API server's authority as a ClusterTrustBundle; requests of pods for certificates (KEP-3257, KEP-4317)."""

import hashlib

from umiak.api.certificates import clustertrustbundle, podcertificaterequest
from umiak.controllers import clustertrustbundle_publisher, podcertificaterequest_cleaner
from umiak.kit import pki
from umiak.reconcile.contract import Options
from umiak.testing.clock import NOON
from umiak.testing.workbench import Workbench

SIGNER = "kubernetes.io/kube-apiserver-serving"
PREFIX = "kubernetes.io:kube-apiserver-serving:"
OLD, NEW = (pki.new_authority(name, 10, NOON).certificate_pem for name in ("old", "new"))


def name(ca: str) -> str:
    return PREFIX + hashlib.sha256(ca.encode()).digest()[:12].hex()


async def bundles(cluster: Workbench) -> dict[str, str]:
    return {b["metadata"]["name"]: b["spec"]["trustBundle"] for b in await cluster.list(clustertrustbundle.KIND)}


async def test_a_new_authority_takes_the_place_of_the_old() -> None:
    """`certificates/clustertrustbundlepublisher/publisher_test.go`: absent, there already, an old one, others'."""
    async with Workbench.real(Options(root_ca=OLD)) as cluster:
        other = {"metadata": {"name": "mine"}, "spec": {"trustBundle": OLD}}
        await cluster.create(clustertrustbundle.KIND, other)
        async with cluster.running(clustertrustbundle_publisher.CONTROLLER):
            assert await bundles(cluster) == {"mine": OLD, name(OLD): OLD}
        cluster.options = Options(root_ca=NEW)
        async with cluster.running(clustertrustbundle_publisher.CONTROLLER):
            assert await bundles(cluster) == {"mine": OLD, name(NEW): NEW}


async def test_what_others_did_to_the_bundle_is_mended() -> None:
    async with (
        Workbench.real(Options(root_ca=OLD)) as cluster,
        cluster.running(clustertrustbundle_publisher.CONTROLLER),
    ):
        await cluster.patch(clustertrustbundle.KIND, name(OLD), "", {"spec": {"trustBundle": NEW}})
        assert await bundles(cluster) == {name(OLD): OLD}
        await cluster.delete(clustertrustbundle.KIND, name(OLD))
        assert await bundles(cluster) == {name(OLD): OLD}
        extra = {"metadata": {"name": PREFIX + "x"}, "spec": {"signerName": SIGNER, "trustBundle": NEW}}
        await cluster.create(clustertrustbundle.KIND, extra)
        assert await bundles(cluster) == {name(OLD): OLD}


async def test_without_an_authority_nothing_is_published() -> None:
    async with Workbench.real() as cluster, cluster.running(clustertrustbundle_publisher.CONTROLLER):
        assert await bundles(cluster) == {}


async def test_requests_of_pods_go_after_fifteen_minutes() -> None:
    """`certificates/cleaner/pcrcleaner_test.go`."""
    cluster = Workbench.fake()
    async with cluster.running(podcertificaterequest_cleaner.CONTROLLER):
        await cluster.create(podcertificaterequest.KIND, {"metadata": {"name": "r", "namespace": "default"}})
        await cluster.clock.advance(15 * 60 - 1)
        assert await cluster.names(podcertificaterequest.KIND) == ["r"]
        await cluster.clock.advance(2)
        assert await cluster.names(podcertificaterequest.KIND) == []
