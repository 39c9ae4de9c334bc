"""Kubeconfig files as kubectl reads and writes them."""

import base64
from pathlib import Path

import pytest
from msgspec.structs import replace

from umiak.client.kubeconfig import Config, ConfigError, in_cluster, load, loads, render, write

FULL = Config(
    server="https://10.0.0.1:6443",
    ca_pem="CA\n",
    certificate_pem="CERT\n",
    key_pem="KEY\n",
    token="secret",
    namespace="team",
    server_name="kubernetes",
    impersonate="jane",
    impersonate_groups=("devs",),
)

TWO = """
apiVersion: v1
kind: Config
current-context: b
clusters:
- {name: one, cluster: {server: "https://one", insecure-skip-tls-verify: true}}
- {name: two, cluster: {server: "https://two", certificate-authority: pki/ca.crt}}
users:
- {name: u, user: {tokenFile: tok}}
- {name: plugin, user: {exec: {command: aws}}}
contexts:
- {name: a, context: {cluster: one, user: u, namespace: ns}}
- {name: b, context: {cluster: two, user: u}}
- {name: c, context: {cluster: one, user: plugin}}
- {name: d, context: {cluster: none, user: u}}
"""


def test_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config"
    write(str(path), FULL)
    assert load(str(path)) == FULL
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["config"]


def test_rendered_data_is_base64() -> None:
    assert f"client-key-data: {base64.b64encode(b'KEY' + bytes([10])).decode()}" in render(FULL)


@pytest.mark.parametrize(
    "text", ["a", "yes", "12", "1e3", "a: b", "a:", "#", " a", 'say "x"', "ü\n", "~", "-", "a.b/c"]
)
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    config = replace(FULL, server=text, token=text, impersonate=text, impersonate_groups=(text,))
    assert loads(render(config, cluster=text, user=text)) == config


def test_contexts_and_relative_files(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.crt").write_text("CA")
    (tmp_path / "config").write_text(TWO)
    path = str(tmp_path / "config")
    assert load(path) == Config(server="https://two", ca_pem="CA", token_file=str(tmp_path / "tok"))
    other = load(path, "a")
    assert (other.server, other.insecure, other.namespace) == ("https://one", True, "ns")


def test_kubeconfig_variable_names_several_files(tmp_path: Path) -> None:
    """The first file to name something wins; missing files do not matter."""
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_text("contexts: [{name: a, context: {cluster: one}}]\ncurrent-context: a")
    second.write_text(TWO)
    variables = {"KUBECONFIG": f"{first}:{tmp_path}/none:{second}"}
    assert load(environ=variables).server == "https://one"


def test_home(tmp_path: Path) -> None:
    write(str(tmp_path / ".kube" / "config"), FULL)
    assert load(environ={"HOME": str(tmp_path)}) == FULL


@pytest.mark.parametrize(
    ("text", "context", "why"),
    [
        (TWO, "c", 'user "plugin": exec credential plugins are not supported'),
        (TWO, "d", 'no cluster "none"'),
        (TWO, "e", 'no context "e"'),
        (TWO, "b", "can not read certificate-authority"),
        ("", "", "empty"),
        ("[a", "", "not YAML"),
        ("{}", "", "no current-context"),
        ("{clusters: [{name: x, cluster: {}}], contexts: [{name: c, context: {cluster: x}}]}", "c", "no server"),
        (
            "{clusters: [{name: x, cluster: {server: a, certificate-authority-data: '?'}}],"
            " contexts: [{name: c, context: {cluster: x}}]}",
            "c",
            "not base64",
        ),
    ],
)
def test_refusals(text: str, context: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=why):
        loads(text, context, str(tmp_path))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no kubeconfig at"):
        load(str(tmp_path / "none"))


def test_in_cluster(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "namespace").write_text("ns\n")
    variables = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    config = in_cluster(variables, tmp_path)
    assert (config.server, config.ca_pem, config.namespace) == ("https://[fd00::1]:443", "CA", "ns")
    assert config.token_file == str(tmp_path / "token")
    with pytest.raises(ConfigError, match="not in a cluster"):
        in_cluster({}, tmp_path)
