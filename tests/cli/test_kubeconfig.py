"""Kubeconfigs of the administrator and of new users."""

from datetime import UTC, datetime

import pytest

from umiak.cli.command import CommandError
from umiak.cli.main import run
from umiak.client.kubeconfig import Config, loads, write
from umiak.server.identity import names, prepare


@pytest.fixture
def folder(tmp_path):
    """A server's data folder as its first start leaves it."""
    identity = prepare(tmp_path, datetime.now(UTC), *names("10.96.0.1", "cluster.local", "0.0.0.0", "192.0.2.7"))
    admin = Config(
        server="https://127.0.0.1:6443",
        ca_pem=identity.authority.certificate_pem,
        certificate_pem=identity.admin.certificate_pem,
        key_pem=identity.admin.key_pem,
    )
    write(str(tmp_path / "admin.kubeconfig"), admin)
    return tmp_path


def test_the_administrators(folder, capsys):
    assert run(["kubeconfig", f"--data-dir={folder}"]) == 0
    assert loads(capsys.readouterr().out) == loads((folder / "admin.kubeconfig").read_text())


def test_a_new_users_names_user_groups_and_an_address_others_reach(folder, capsys):
    from cryptography import x509

    run(["kubeconfig", f"--data-dir={folder}", "--user=ada", "--group=dev", "--group=ops"])
    config = loads(capsys.readouterr().out)
    subject = x509.load_pem_x509_certificate(config.certificate_pem.encode()).subject
    assert sorted(str(a.value) for a in subject) == ["ada", "dev", "ops"]
    assert config.server == "https://192.0.2.7:6443"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["--group=dev"], "--group needs --user"), (["--data-dir=/nowhere"], "is the cluster up")],
)
def test_what_cannot_be(words, complaint):
    with pytest.raises(CommandError, match=complaint):
        run(["kubeconfig", *words])
