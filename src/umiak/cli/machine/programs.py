"""Which programs a cluster consists of, and the supervisor that keeps them running."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from umiak.cli.machine.config import ClusterConfig
from umiak.cli.machine.layout import Layout
from umiak.cli.machine.supervisor import start_time

SUPERVISOR = "umiak.cli.machine.supervisor"


def umiak(*arguments: str) -> list[str]:
    """The command line of one of our own commands, in this very installation."""
    return [sys.executable, "-m", "umiak.cli.main", *arguments]


def specifications(config: ClusterConfig) -> list[dict[str, Any]]:
    """What the supervisor runs, in the order of starting."""
    layout = config.layout
    named: dict[str, list[str]] = {}
    if not config.containerRuntimeEndpoint:
        named["containerd"] = ["containerd", "--config", str(layout.containerd / "config.toml")]
    named["server"] = server(config)
    named["controllers"] = controllers(config)
    named["node"] = node(config)
    return [
        {"name": name, "argv": argv, "log": str(layout.logs / f"{name}.log"), "environment": ENVIRONMENT}
        for name, argv in named.items()
    ]


ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""Memory: glibc keeps an arena per thread otherwise."""


def server(config: ClusterConfig) -> list[str]:
    return umiak(
        "server",
        f"--data-dir={config.layout.server}",
        f"--port={config.port}",
        "--bind=0.0.0.0",
        f"--advertise={config.address}",
        f"--service-cidr={config.serviceCIDR}",
        f"--cluster-domain={config.clusterDomain}",
        f"--workers={config.apiProcesses}",
    )


def controllers(config: ClusterConfig) -> list[str]:
    layout = config.layout
    return umiak(
        "controllers",
        f"--kubeconfig={layout.kubeconfig('controllers')}",
        f"--cluster-cidr={config.podCIDR}",
        f"--service-cidr={config.serviceCIDR}",
        f"--root-ca={layout.server / 'ca.crt'}",
        f"--service-account-key={layout.server / 'sa.key'}",
        f"--signing-ca={layout.server / 'ca.crt'}",
        f"--signing-key={layout.server / 'ca.key'}",
        f"--local-path-root={layout.volumes}",
        "--with-scheduler",
        *([f"--scheduler-config={config.schedulerConfig}"] if config.schedulerConfig else ()),
    )


def node(config: ClusterConfig) -> list[str]:
    layout = config.layout
    return umiak(
        "node",
        f"--kubeconfig={layout.kubeconfig('node')}",
        f"--name={config.nodeName}",
        f"--address={config.address}",
        f"--port={config.nodePort}",
        f"--root={layout.node}",
        f"--runtime={config.runtime_endpoint}",
        f"--manifests={layout.manifests}",
        f"--client-ca={layout.server / 'ca.crt'}",
        f"--local-path-root={layout.volumes}",
        f"--cluster-dns={config.dns_address}",
        f"--cluster-domain={config.clusterDomain}",
        f"--cni-config={layout.cni_config}",
        f"--with-network={layout.kubeconfig('network')}",
        f"--cluster-cidr={config.podCIDR}",
    )


def _pid_file(layout: Layout) -> Path:
    return layout.run / "supervisor.pid"


def supervisor_pid(layout: Layout) -> int:
    """The running supervisor's process; 0 when there is none."""
    with contextlib.suppress(OSError, ValueError):
        pid, birth = _pid_file(layout).read_text().split()
        if birth and start_time(int(pid)) == birth:
            return int(pid)
    return 0


def running(layout: Layout) -> dict[str, int]:
    """Process numbers of the cluster's programs that are alive, by name."""
    found = {}
    for path in sorted(layout.run.glob("*.pid")):
        with contextlib.suppress(OSError, ValueError):
            pid, birth = path.read_text().split()
            if birth and start_time(int(pid)) == birth:
                found[path.stem] = int(pid)
    return found


def start_supervisor(config: ClusterConfig) -> None:
    """Starts it on its own, apart from this terminal."""
    layout = config.layout
    layout.programs.write_text(json.dumps(specifications(config), indent=1))
    with (layout.logs / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-S", "-m", SUPERVISOR, str(layout.programs)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": _source_folder()},
        )
    _pid_file(layout).write_text(f"{process.pid} {start_time(process.pid)}\n")


def _source_folder() -> str:
    """Where the package is: `-S` keeps the supervisor small by leaving site-packages out."""
    import umiak

    return str(Path(next(iter(umiak.__path__))).parent)
