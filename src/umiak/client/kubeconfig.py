"""Where the server is and who we are: reads and writes kubeconfig files, and what every pod finds in its own folder.

Not supported, and said so: exec and auth-provider plugins, proxies.
"""

import base64
import binascii
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9+/=._:-]*[A-Za-z0-9+/=._-])?")
"""Texts that mean the same in YAML with quotes and without, but for these words."""
NOT_TEXTS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


class ConfigError(Exception):
    """The kubeconfig does not say what is needed, or asks for what is not supported."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """One server and one user. `*_pem` fields hold the PEM text itself."""

    server: str
    ca_pem: str = ""
    certificate_pem: str = ""
    key_pem: str = ""
    token: str = ""
    token_file: str = ""
    """Read anew every minute; wins over `token`."""
    username: str = ""
    password: str = ""
    insecure: bool = False
    server_name: str = ""
    """Checked against the server's certificate instead of the host in `server`."""
    namespace: str = "default"
    impersonate: str = ""
    impersonate_groups: tuple[str, ...] = ()


def load(path: str = "", context: str = "", environ: Mapping[str, str] = os.environ) -> Config:
    """Reads `path`, else the files that KUBECONFIG names, else ~/.kube/config; raises ConfigError."""
    home = environ.get("HOME") or str(Path.home())
    names = path or environ.get("KUBECONFIG") or f"{home}/.kube/config"
    found = [p for p in names.split(os.pathsep if not path else "\0") if p and Path(p).exists()]
    if not found:
        raise ConfigError(f"no kubeconfig at {names}")
    return _choose(_merge([_read(Path(p)) for p in found]), context)


def loads(text: str, context: str = "", folder: str = ".") -> Config:
    """Reads a kubeconfig's text; relative file names count from `folder`."""
    return _choose(_merge([_parsed(text, Path(folder), "kubeconfig")]), context)


def in_cluster(environ: Mapping[str, str] = os.environ, folder: Path = SERVICE_ACCOUNT) -> Config:
    """What the kubelet gives a pod: address by environment, credentials by files. Raises ConfigError outside a pod."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise ConfigError("not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    namespace = folder / "namespace"
    return Config(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_pem=_file(folder / "ca.crt", "service account CA"),
        token_file=str(folder / "token"),
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )


def described(config: Config, cluster: str = "umiak", user: str = "admin") -> dict[str, Any]:
    """A kubeconfig with everything embedded."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": _cluster_of(config)}],
        "users": [{"name": user, "user": _user_of(config)}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user, "namespace": config.namespace}}],
        "current-context": cluster,
    }


def render(config: Config, cluster: str = "umiak", user: str = "admin") -> str:
    """As `described`, in YAML: written here, as a server that starts need not wait 12 ms for PyYAML."""
    return "\n".join(_lines(described(config, cluster, user))) + "\n"


def _lines(fields: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            yield f"{indent}{name}:"
            for item in value:
                first, *more = _lines(item, indent + "  ")
                yield from (f"{indent}- {first.lstrip()}", *more)
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    """Plain where that means the same, else as JSON, which is YAML too."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in NOT_TEXTS:
        return value
    return msgspec.json.encode(value).decode()


def write(path: str, config: Config, cluster: str = "umiak", user: str = "admin") -> None:
    """Writes `render`'s text for the owner alone; readers see the old file or the new one, never a half."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=".kubeconfig-", delete=False) as file:  # mode 0600
        file.write(render(config, cluster, user))
    Path(file.name).replace(target)


def _cluster_of(config: Config) -> dict[str, Any]:
    found = {
        "server": config.server,
        "certificate-authority-data": _encoded(config.ca_pem),
        "insecure-skip-tls-verify": config.insecure,
        "tls-server-name": config.server_name,
    }
    return {k: v for k, v in found.items() if v}


def _user_of(config: Config) -> dict[str, Any]:
    found = {
        "client-certificate-data": _encoded(config.certificate_pem),
        "client-key-data": _encoded(config.key_pem),
        "token": config.token,
        "tokenFile": config.token_file,
        "username": config.username,
        "password": config.password,
        "as": config.impersonate,
        "as-groups": list(config.impersonate_groups),
    }
    return {k: v for k, v in found.items() if v}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _read(path: Path) -> dict[str, Any]:
    return _parsed(_file(path, "kubeconfig"), path.parent, str(path))


def _parsed(text: str, folder: Path, name: str) -> dict[str, Any]:
    """The file's content, each cluster and user knowing the folder that its relative file names count from."""
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name} is empty or not a kubeconfig")
    for section, key in (("clusters", "cluster"), ("users", "user")):
        for entry in content.get(section) or ():
            entry[key] = {**(entry.get(key) or {}), "_folder": str(folder)}
    return content


def _merge(files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of entries with the same name the first counts, as does the first current-context."""
    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}}
    merged["current-context"] = next((f["current-context"] for f in files if f.get("current-context")), "")
    for file in files:
        for section in ("clusters", "users", "contexts"):
            for entry in file.get(section) or ():
                merged[section].setdefault(entry["name"], entry.get(section[:-1]) or {})
    return merged


def _choose(merged: dict[str, Any], context: str) -> Config:
    name = context or merged["current-context"]
    if not name:
        raise ConfigError("the kubeconfig has no current-context")
    chosen = _entry(merged, "contexts", name)
    config = _with_cluster(_entry(merged, "clusters", chosen.get("cluster") or ""))
    if chosen.get("user"):
        config = _with_user(config, chosen["user"], _entry(merged, "users", chosen["user"]))
    return replace(config, namespace=chosen.get("namespace") or "default")


def _entry(merged: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    if name not in merged[section]:
        raise ConfigError(f'the kubeconfig has no {section[:-1]} "{name}"')
    entry: dict[str, Any] = merged[section][name]
    return entry


def _with_cluster(cluster: dict[str, Any]) -> Config:
    if not cluster.get("server"):
        raise ConfigError("the kubeconfig's cluster has no server")
    if cluster.get("proxy-url"):
        raise ConfigError("proxy-url is not supported")
    return Config(
        server=str(cluster["server"]),
        ca_pem=_pem(cluster, "certificate-authority"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name") or "",
    )


def _with_user(config: Config, name: str, user: dict[str, Any]) -> Config:
    for plugin in ("exec", "auth-provider"):
        if user.get(plugin):
            raise ConfigError(
                f'user "{name}": {plugin} credential plugins are not supported; use a token or certificate'
            )
    token_file = user.get("tokenFile") or ""
    return replace(
        config,
        certificate_pem=_pem(user, "client-certificate"),
        key_pem=_pem(user, "client-key"),
        token=user.get("token") or "",
        token_file=str(Path(user["_folder"], token_file)) if token_file else "",
        username=user.get("username") or "",
        password=user.get("password") or "",
        impersonate=user.get("as") or "",
        impersonate_groups=tuple(user.get("as-groups") or ()),
    )


def _pem(entry: dict[str, Any], key: str) -> str:
    """`key`-data in base64 wins over the file that `key` names."""
    if data := entry.get(f"{key}-data"):
        try:
            return base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{key}-data is not base64 of PEM: {error}") from error
    if name := entry.get(key):
        return _file(Path(entry["_folder"], name), key)
    return ""


def _file(path: Path, what: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can not read {what} {path}: {error}") from error
