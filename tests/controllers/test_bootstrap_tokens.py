"""Bootstrap tokens: they sign the public kubeconfig, and go when their time is over."""

import base64
from datetime import timedelta

import pytest

from umiak.api.core import configmap, secret
from umiak.controllers import bootstrap_signer, token_cleaner
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.testing.clock import NOON
from umiak.testing.workbench import Workbench


def a_token(name: str = "abcdef", **data: str) -> Object:
    values = {"token-id": name, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **data}
    return {
        "metadata": {"name": f"bootstrap-token-{name}", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def cluster_info() -> Object:
    return {"metadata": {"name": "cluster-info", "namespace": "kube-public"}, "data": {"kubeconfig": "the config"}}


def test_a_signature_is_a_jws_without_its_content() -> None:
    """RFC 7515, appendix F; verified with joserfc by putting the content back."""
    from joserfc import jws
    from joserfc.jwk import OctKey

    header, _, rest = bootstrap_signer.signature("content", "abcdef", "0123456789abcdef").split(".")
    content = base64.urlsafe_b64encode(b"content").rstrip(b"=").decode()
    found = jws.deserialize_compact(f"{header}.{content}.{rest}", OctKey.import_key("0123456789abcdef"))
    assert (found.payload, found.headers()) == (b"content", {"alg": "HS256", "kid": "abcdef"})


async def test_tokens_sign_as_they_come_and_go() -> None:
    async with Workbench.real() as cluster, cluster.running(bootstrap_signer.CONTROLLER):
        await cluster.create(configmap.KIND, cluster_info())
        await cluster.create(secret.KIND, a_token())
        await cluster.create(secret.KIND, a_token("silent", **{"usage-bootstrap-signing": "false"}))
        found = await cluster.client.get(configmap.KIND, "cluster-info", "kube-public")
        assert set(found["data"]) == {"kubeconfig", "jws-kubeconfig-abcdef"}
        await cluster.delete(secret.KIND, "bootstrap-token-abcdef", "kube-system")
        found = await cluster.client.get(configmap.KIND, "cluster-info", "kube-public")
        assert set(found["data"]) == {"kubeconfig"}


@pytest.mark.parametrize(("end", "stays"), [(NOON + timedelta(seconds=10), 10), (NOON, 0), (None, None)])
async def test_tokens_go_on_time(end: "object", stays: int | None) -> None:
    extra = {"expiration": format_time(end)} if end is not None else {}  # type: ignore[arg-type]
    async with Workbench.real() as cluster, cluster.running(token_cleaner.CONTROLLER):
        await cluster.create(secret.KIND, a_token(**extra))
        for moment in range(12):
            there = await cluster.find(secret.KIND, "bootstrap-token-abcdef", "kube-system") is not None
            assert there is (stays is None or moment < stays)
            await cluster.clock.advance(1)
