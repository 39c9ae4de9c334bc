"""Who each part of the cluster is: certificates from the API server's authority, as kubeconfig files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from umiak.cli.machine.config import ClusterConfig
from umiak.client import kubeconfig
from umiak.kit import pki

DAYS = 365
RENEW_BEFORE = timedelta(days=120)
"""A certificate with less time left is made anew at every start."""

CONTROLLERS = "umiak:controllers"
"""The group that is bound to every role of the reference's controllers."""
NETWORK = "umiak:network"
"""The group of proxy and DNS."""


def identities(config: ClusterConfig) -> dict[str, tuple[str, tuple[str, ...]]]:
    """User and groups by part. Names are the reference's, so that its bootstrap roles apply."""
    return {
        "controllers": ("system:kube-scheduler", (CONTROLLERS,)),
        "node": (f"system:node:{config.nodeName}", ("system:nodes",)),
        "network": ("system:kube-proxy", (NETWORK,)),
    }


def is_good(path: Path, now: datetime) -> bool:
    """Whether a kubeconfig is there and its certificate lasts long enough."""
    try:
        return pki.expires(kubeconfig.load(str(path)).certificate_pem) - now > RENEW_BEFORE
    except (OSError, ValueError, kubeconfig.ConfigError):
        return False


def write_all(config: ClusterConfig, authority: pki.Pair) -> None:
    """Makes what is missing or about to expire."""
    now = datetime.now(UTC)
    for part, (user, groups) in identities(config).items():
        path = config.layout.kubeconfig(part)
        if is_good(path, now):
            continue
        pair = pki.issue(authority, user, groups, client=True, days=DAYS, now=now)
        how = kubeconfig.Config(
            server=f"https://127.0.0.1:{config.port}",
            ca_pem=authority.certificate_pem,
            certificate_pem=pair.certificate_pem,
            key_pem=pair.key_pem,
        )
        kubeconfig.write(str(path), how, user=part)
