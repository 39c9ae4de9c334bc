"""The keys and certificates of a server, in its data folder: made at first start, renewed before they end.

`ca` signs everything; `apiserver` is what clients see, `kubelet-client` what nodes see, `admin` the administrator of
`admin.kubeconfig`; `sa.key` signs service account tokens. `front-proxy-ca` signs nothing but `front-proxy-client`, what
servers behind this one see: whoever shows it may say whom it speaks for.
"""

import contextlib
import ipaddress
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from umiak.kit import pki
from umiak.kit.pki import Pair
from umiak.server.access.settings import FrontProxySettings

AUTHORITY_DAYS = 3650
DAYS = 3650
"""A cluster should not go down because a certificate ended; ten years, like its authority."""
FRONT_PROXY = "front-proxy-client"
OWN_FRONT_PROXY = FrontProxySettings(allowed_names=(FRONT_PROXY,))
RENEW_BEFORE = timedelta(days=60)
OWNER_ONLY = 0o600


class Identity(msgspec.Struct, frozen=True):
    """Paths where a TLS library wants paths, texts where they are handed on."""

    folder: Path
    authority: Pair
    signing_key: str
    kubelet_client: Pair
    admin: Pair
    front_proxy_ca: str
    """PEM of the authority whose certificates may name users in headers."""
    front_proxy_client: Pair

    @property
    def certificate_file(self) -> Path:
        return self.folder / "apiserver.crt"

    @property
    def key_file(self) -> Path:
        return self.folder / "apiserver.key"

    @property
    def authority_file(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def clients_file(self) -> Path:
        """All authorities whose certificates clients may show."""
        return self.folder / "clients.crt"


def names(service_ip: str, domain: str, *addresses: str) -> tuple[list[str], list[str]]:
    """(DNS names, IP addresses) that the serving certificate is good for."""
    short = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}"]
    dns, ips = [*short, "localhost"], ["127.0.0.1", "::1", service_ip]
    for address in addresses:
        with contextlib.suppress(ValueError):
            ips.append(str(ipaddress.ip_address(address)))
            continue
        if address:
            dns.append(address)
    return list(dict.fromkeys(dns)), [ip for ip in dict.fromkeys(ips) if ip not in ("0.0.0.0", "::")]


def prepare(
    folder: Path, now: datetime, dns: list[str], ips: list[str], front: FrontProxySettings = OWN_FRONT_PROXY
) -> Identity:
    """Reads what is there and makes what is missing or about to end. Raises OSError."""
    authority = _pair(folder, "ca", now, lambda: pki.new_authority("umiak-ca", AUTHORITY_DAYS, now))
    signing = _text(folder / "sa.key", pki.new_signing_key)
    wanted = "\n".join([*dns, *ips]) + "\n"
    if _read(folder / "apiserver.names") != wanted:
        for name in ("apiserver.crt", "apiserver.key"):
            (folder / name).unlink(missing_ok=True)
        _write(folder / "apiserver.names", wanted)

    def serving() -> Pair:
        """With its issuer behind it, which OpenSSL would look up, and verify, in every handshake."""
        made = pki.issue(authority, "kube-apiserver", dns=dns, ips=ips, server=True, days=DAYS, now=now)
        return made._replace(certificate_pem=made.certificate_pem + authority.certificate_pem)

    def client(name: str, group: str) -> Callable[[], Pair]:
        return lambda: pki.issue(authority, name, [group], client=True, days=DAYS, now=now)

    _pair(folder, "apiserver", now, serving)
    # A node asks us whether this is allowed; the group makes it so without a role binding that could be taken away.
    kubelet = client("kube-apiserver-kubelet-client", "system:masters")
    front_ca, front_client = _front_proxy(folder, now, front)
    trusted = authority.certificate_pem.rstrip() + "\n" + front_ca
    if _read(folder / "clients.crt") != trusted:
        _write(folder / "clients.crt", trusted)
    return Identity(
        folder,
        authority,
        signing,
        _pair(folder, "kubelet-client", now, kubelet),
        _pair(folder, "admin", now, client("kubernetes-admin", "system:masters")),
        front_ca,
        front_client,
    )


def _front_proxy(folder: Path, now: datetime, front: FrontProxySettings) -> tuple[str, Pair]:
    """(PEM of the authority, our certificate): those that are configured, else our own."""
    own = _pair(folder, "front-proxy-ca", now, lambda: pki.new_authority("front-proxy-ca", AUTHORITY_DAYS, now))
    trusted = Path(front.client_ca_file).read_text() if front.client_ca_file else own.certificate_pem
    if front.proxy_client_cert_file:
        key = Path(front.proxy_client_key_file).read_text()
        return trusted, Pair(Path(front.proxy_client_cert_file).read_text(), key)
    made = lambda: pki.issue(own, FRONT_PROXY, client=True, days=DAYS, now=now)  # noqa: E731
    return trusted, _pair(folder, FRONT_PROXY, now, made)


def _pair(folder: Path, name: str, now: datetime, make: Callable[[], Pair]) -> Pair:
    certificate, key = _read(folder / f"{name}.crt"), _read(folder / f"{name}.key")
    if certificate and key and _is_fresh(folder / f"{name}.end", certificate, now):
        return Pair(certificate, key)
    made = make()
    _write(folder / f"{name}.key", made.key_pem)
    _write(folder / f"{name}.crt", made.certificate_pem)
    _write(folder / f"{name}.end", pki.expires(made.certificate_pem).isoformat() + "\n")
    return made


def _is_fresh(note: Path, certificate: str, now: datetime) -> bool:
    """The end is noted in a file of its own, so that an ordinary start need not load the crypto library."""
    text = _read(note).strip()
    end = datetime.fromisoformat(text) if text else pki.expires(certificate)
    return end - now > RENEW_BEFORE


def _text(path: Path, make: Callable[[], str]) -> str:
    found = _read(path)
    if not found:
        found = make()
        _write(path, found)
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for the owner alone."""
    with _beside(path) as temporary:
        temporary.write_text(text)
        temporary.chmod(OWNER_ONLY)
        temporary.replace(path)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
