"""The settings of a cluster: defaults, `--config cluster.yaml` over them."""

import ipaddress
import socket
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import fields

from umiak.cli.machine.layout import DEFAULT_DATA, DEFAULT_RUN, Layout
from umiak.objects.names import dns_subdomain


class ConfigError(Exception):
    """A setting is wrong; the text names it and says what would be right."""


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Field names are those of cluster.yaml."""

    nodeName: str = ""
    """The machine's host name, if not given."""
    address: str = ""
    """Where the cluster is reached; the address of the default route's interface, if not given."""
    port: int = 6443
    nodePort: int = 10250
    """Where the agent answers the API server (logs, exec)."""
    podCIDR: str = "10.244.0.0/16"
    serviceCIDR: str = "10.96.0.0/16"
    clusterDomain: str = "cluster.local"
    dataDir: str = str(DEFAULT_DATA)
    runDir: str = str(DEFAULT_RUN)
    containerRuntimeEndpoint: str = ""
    """A CRI socket to use; empty: a containerd of our own."""
    schedulerConfig: str = ""
    """A file with a KubeSchedulerConfiguration, by its whole path; empty: the scheduler's defaults."""
    apiProcesses: int = 1
    """How many processes answer API requests. Each more takes 35 MiB, and is of use to a busy cluster only."""

    @property
    def layout(self) -> Layout:
        return Layout(Path(self.dataDir), Path(self.runDir))

    @property
    def dns_address(self) -> str:
        """The tenth address of the service range."""
        return str(ipaddress.ip_network(self.serviceCIDR)[10])

    @property
    def runtime_endpoint(self) -> str:
        return self.containerRuntimeEndpoint or f"unix://{self.layout.runtime_socket}"


def load(path: Path | None) -> ClusterConfig:
    """Reads and completes the settings. Raises ConfigError."""
    given = {} if path is None else _read(path)
    known = {f.name: f for f in fields(ClusterConfig)}
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f'{path}: unknown field "{name}"; known are: {", ".join(sorted(known))}')
        wanted = known[name].type
        if not isinstance(value, wanted):
            raise ConfigError(f"{path}: {name}: expected {wanted.__name__}, got {type(value).__name__}")
    given.setdefault("nodeName", socket.gethostname().lower())
    given.setdefault("address", own_address())
    config = ClusterConfig(**given)
    _check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(found, dict | None):
        raise ConfigError(f"{path}: expected fields with values")
    return found or {}


def _check(config: ClusterConfig) -> None:
    for problem in dns_subdomain(config.nodeName):
        raise ConfigError(f"nodeName: {problem}")
    for name in ("podCIDR", "serviceCIDR"):
        try:
            ipaddress.ip_network(getattr(config, name))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error
    if ipaddress.ip_network(config.podCIDR).overlaps(ipaddress.ip_network(config.serviceCIDR)):
        raise ConfigError(f"podCIDR {config.podCIDR} and serviceCIDR {config.serviceCIDR} overlap")
    for name in ("port", "nodePort"):
        if not 0 < getattr(config, name) < 65536:
            raise ConfigError(f"{name}: must be between 1 and 65535")
    if not 0 < config.apiProcesses <= 16:
        raise ConfigError("apiProcesses: must be between 1 and 16")


def own_address() -> str:
    """The address that packets to the outside would carry; the first one of any interface on a machine without a
    default route; loopback when there is none at all. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            pass
    found = _addresses()
    return next((a for a in found if not a.startswith("127.")), "127.0.0.1")


def _addresses() -> list[str]:
    """Local IPv4 addresses as the kernel's routing table of local addresses lists them."""
    lines = Path("/proc/net/fib_trie").read_text().splitlines()
    found = [lines[i - 1].split()[-1] for i, line in enumerate(lines) if "/32 host LOCAL" in line]
    return list(dict.fromkeys(found))
