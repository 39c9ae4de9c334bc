"""Calls over TLS to a webhook that listens."""

import base64
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from umiak.kit import pki
from umiak.kit.http.server import serve
from umiak.kit.tls import server_context
from umiak.server.webhooks.sender import CallFailed, Sender, url_of

NOW = datetime.now(UTC)
ASKED = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}


@pytest.fixture
async def hook(tmp_path: Path):
    """(its URL, its own certificate, that of its authority)."""
    authority = pki.new_authority("hooks", 7, NOW)
    pair = pki.issue(authority, "localhost", ips=["127.0.0.1"], server=True, days=7, now=NOW)
    (tmp_path / "crt").write_text(pair.certificate_pem)
    (tmp_path / "key").write_text(pair.key_pem)
    context = server_context(str(tmp_path / "crt"), str(tmp_path / "key"))
    server = await serve(lambda _, answer: answer.reply(200, [], b"{}"), "127.0.0.1", ssl=context)
    yield f"https://127.0.0.1:{server.port}", pair.certificate_pem, authority.certificate_pem
    await server.close(0)


async def ask(url: str, bundle: str):
    sender = Sender(None, random.Random(7))  # type: ignore[arg-type]  # no service is looked up
    try:
        return await sender.ask({"url": url, "caBundle": base64.b64encode(bundle.encode()).decode()}, ASKED, 5)
    finally:
        await sender.close()


async def test_the_bundle_may_hold_the_authority_or_the_certificate_itself(hook):
    """As envtest's webhook helper has it: Go trusts every certificate among the roots, whoever signed it."""
    url, own, authority = hook
    assert await ask(url, authority) == {}
    assert await ask(url, own) == {}


async def test_another_bundle_is_not_trusted(hook):
    other = pki.new_authority("other", 7, NOW).certificate_pem
    with pytest.raises(CallFailed, match="x509: certificate signed by unknown authority"):
        await ask(hook[0], other)
    with pytest.raises(CallFailed, match="unable to load root certificates"):
        await ask(hook[0], "-----BEGIN NONSENSE-----")


@pytest.mark.parametrize(
    ("path", "called"), [("", "/"), ("/", "/"), ("//hook", "/hook"), ("/a//b/", "/a/b"), ("/a/../b", "/b")]
)
def test_paths_are_cleaned(path, called):
    """`rest.NewRequest` of client-go: path.Join; envtest's URLs have a slash too many."""
    assert url_of({"url": f"https://hooks.example{path}"}) == f"https://hooks.example{called}"
    assert url_of({"service": {"name": "a", "namespace": "b", "path": path}}) == f"https://a.b.svc:443{called}"
