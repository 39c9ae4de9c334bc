"""Keys and certificates, made once per process: they cost more than all the rest of a small cluster."""

from datetime import datetime
from functools import cache
from pathlib import Path

import msgspec

from umiak.kit import pki
from umiak.kit.clock import RealClock
from umiak.kit.pki import Pair

DAYS = 365
PRIVATE = 0o600


class Credentials(msgspec.Struct, frozen=True):
    """An authority, what the server shows, and what signs tokens of service accounts."""

    authority: Pair
    serving: Pair
    signing_key: str


@cache
def credentials() -> Credentials:
    return _made(RealClock().now())


def _made(now: datetime) -> Credentials:
    authority = pki.new_authority("umiak-testing", DAYS, now)
    names, addresses = ["localhost", "kubernetes.default.svc"], ["127.0.0.1", "::1"]
    serving = pki.issue(authority, "kube-apiserver", dns=names, ips=addresses, server=True, days=DAYS, now=now)
    return Credentials(authority, serving, pki.new_signing_key())


class Files(msgspec.Struct, frozen=True):
    """Where a server finds its own, in the folder of one cluster."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "apiserver.crt"

    @property
    def key(self) -> Path:
        return self.folder / "apiserver.key"

    @property
    def authority(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def write(self, made: Credentials, token: str) -> None:
        """The folder is the owner's alone; the keys are too."""
        texts = {
            self.certificate: made.serving.certificate_pem,
            self.key: made.serving.key_pem,
            self.authority: made.authority.certificate_pem,
            self.tokens: f'{token},kubernetes-admin,,"system:masters"\n',
        }
        for path, text in texts.items():
            path.touch(PRIVATE)
            path.write_text(text)
