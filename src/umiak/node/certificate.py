"""Makes the endpoint's serving certificate, in a process of its own: the cryptography library is not to stay in memory.

usage: python -m umiak.node.certificate FOLDER NAME [IP...]
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from umiak.kit import pki

DAYS = 3650


def paths(folder: Path) -> tuple[Path, Path]:
    """Certificate and key."""
    return folder / "serving.crt", folder / "serving.key"


def make(folder: Path, name: str, ips: list[str], now: datetime) -> None:
    authority = pki.new_authority(f"{name}-ca", DAYS, now)
    pair = pki.issue(
        authority, f"system:node:{name}", ("system:nodes",), (name, "localhost"), ips, server=True, days=DAYS, now=now
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate, key = paths(folder)
    key.touch(mode=0o600)
    key.write_text(pair.key_pem)
    certificate.write_text(pair.certificate_pem + authority.certificate_pem)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2], sys.argv[3:], datetime.now(UTC))
