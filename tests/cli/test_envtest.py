"""The programs that `umiak envtest-assets` writes, started as envtest of controller-runtime v0.25 starts them."""

import re
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from umiak.cli import _access
from umiak.cli.command import CommandError
from umiak.cli.envtest import apiserver, etcd
from umiak.cli.envtest.flags import Flags
from umiak.cli.main import run
from umiak.kit import pki
from umiak.kit.ports import free_port
from umiak.testing.patience import LONG, until

NOW = datetime.now(UTC)


def flags() -> Flags:
    made = Flags("program", "A program.")
    made.value("name", "nobody")
    made.several("several")
    _access.add_switch(made.parser, "--on", "a switch")
    made.unused("v vmodule", "no effect")
    return made


@pytest.mark.parametrize(
    ("words", "name", "several", "on"),
    [
        ([], "nobody", [], None),
        (["--name", "ada", "--on=false"], "ada", [], False),
        (["--name=ada", "--several=a,b", "--several", "c", "--on"], "ada", ["a,b", "c"], True),
        (["--v=4", "--vmodule", "watch=6"], "nobody", [], None),
    ],
)
def test_flags_are_read_as_the_originals(words, name, several, on):
    found = flags().parse(words)
    assert (found.name, found.several, found.on) == (name, several, on)


def test_an_unknown_flag_is_refused():
    with pytest.raises(CommandError, match="unknown flag: --audit-log-path=- "):
        flags().parse(["--audit-log-path=-"])


def test_help_has_the_flags_that_envtest_looks_for(capsys):
    """`CheckFlag` in controller-runtime's pkg/internal/testing/process."""
    with pytest.raises(SystemExit):
        apiserver.flags().parse(["--help"])
    assert not re.search(r"(?m)^\s*--insecure-port\b", capsys.readouterr().out)
    with pytest.raises(SystemExit):
        etcd.flags().parse(["--help"])
    assert re.search(r"(?m)^\s*--unsafe-no-fsync\b", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--allow-privileged=false"], "--allow-privileged=false is not to be had"),
        ([], "--etcd-servers and --service-account-signing-key-file are needed"),
    ],
)
def test_what_the_api_server_can_not_be(words, complaint):
    with pytest.raises(CommandError, match=complaint):
        apiserver.check(apiserver.flags().parse(words))


@pytest.fixture
def assets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run(["envtest-assets", str(tmp_path / "assets")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'assets'}\n"  # for KUBEBUILDER_ASSETS=$(umiak envtest-assets ...)
    return tmp_path / "assets"


def test_a_program_of_somebody_else_stays(tmp_path):
    (tmp_path / "etcd").write_text("#!/bin/sh\n")
    with pytest.raises(CommandError, match="etcd is there already and not of umiak"):
        run(["envtest-assets", str(tmp_path)])
    assert (tmp_path / "etcd").read_text() == "#!/bin/sh\n"


class Plane:
    """A control plane in a folder, as envtest prepares one: authorities of its own making."""

    def __init__(self, assets: Path, folder: Path) -> None:
        self.assets, self.folder = assets, folder
        self.etcd_url = f"http://127.0.0.1:{free_port()}"
        self.port = free_port()
        self.certs = folder / "certs"
        self.certs.mkdir()
        self.started: list[subprocess.Popen[bytes]] = []
        authority, clients, signer = (pki.new_authority("envtest-environment", 7, NOW) for _ in range(3))
        serving = pki.issue(authority, "localhost", ips=["127.0.0.1"], server=True, days=7, now=NOW)
        admin = pki.issue(clients, "admin", ["system:masters"], client=True, days=7, now=NOW)
        self._write("apiserver", serving)
        self._write("sa-signer", signer)
        self._write("client-cert-auth-ca", clients)
        self._write("admin", admin)
        self.context = ssl.create_default_context(cadata=authority.certificate_pem)
        self.context.load_cert_chain(self.certs / "admin.crt", self.certs / "admin.key")

    def _write(self, name: str, pair: pki.Pair) -> None:
        (self.certs / f"{name}.crt").write_text(pair.certificate_pem)
        (self.certs / f"{name}.key").write_text(pair.key_pem)

    def _start(self, program: str, words: Sequence[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([self.assets / program, *words])
        self.started.append(process)
        return process

    def start_etcd(self) -> None:
        words = [f"--advertise-client-urls={self.etcd_url}", f"--data-dir={self.folder / 'etcd'}"]
        words += [f"--listen-client-urls={self.etcd_url}", "--listen-peer-urls=http://127.0.0.1:0"]
        self._start("etcd", [*words, "--unsafe-no-fsync=true"])
        until(
            lambda: urllib.request.urlopen(f"{self.etcd_url}/health").status == 200, every=0.05
        )  # how envtest itself waits

    def start_apiserver(self) -> subprocess.Popen[bytes]:
        process = self._start(
            "kube-apiserver",
            [
                "--allow-privileged=true",
                "--authorization-mode=RBAC",
                "--bind-address=127.0.0.1",
                f"--cert-dir={self.certs}",
                f"--client-ca-file={self.certs}/client-cert-auth-ca.crt",
                "--disable-admission-plugins=ServiceAccount",
                f"--etcd-servers={self.etcd_url}",
                f"--secure-port={self.port}",
                f"--service-account-issuer=https://127.0.0.1:{self.port}/",
                f"--service-account-key-file={self.certs}/sa-signer.crt",
                f"--service-account-signing-key-file={self.certs}/sa-signer.key",
                "--service-cluster-ip-range=10.0.0.0/24",
            ],
        )
        until(lambda: self.get("/healthz") == b"ok", every=0.05)
        return process

    def get(self, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, context=self.context, timeout=LONG) as answer:
            return answer.read()

    def kill(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def plane(assets: Path, tmp_path: Path) -> Iterator[Plane]:
    made = Plane(assets, tmp_path)
    yield made
    made.kill()


@pytest.mark.slow
def test_as_envtest_starts_and_stops_them(plane):
    """A pod needs no service account; what one API server has written the next finds with the same etcd."""
    plane.start_etcd()
    first = plane.start_apiserver()
    pod = b'{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"c"}]}}'
    assert b'"serviceAccountName"' not in plane.get("/api/v1/namespaces/default/pods", pod)
    token = b'{"spec":{"audiences":["a"]}}'
    plane.get("/api/v1/namespaces/default/serviceaccounts", b'{"metadata":{"name":"ada"}}')
    path = "/api/v1/namespaces/default/serviceaccounts/ada/token"
    assert b'"token":"ey' in plane.get(path, token)
    first.send_signal(signal.SIGTERM)
    assert first.wait(LONG) == 0
    plane.start_apiserver()
    assert b'"name":"p"' in plane.get("/api/v1/namespaces/default/pods/p")
    assert plane.get("/openid/v1/jwks").count(b'"kid"') == 1
