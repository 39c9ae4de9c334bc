"""Where everything is kept: `data` lasts, `run` is gone after a reboot or `umiak down`."""

from pathlib import Path

import msgspec

DEFAULT_DATA = Path("/var/lib/umiak")
DEFAULT_RUN = Path("/run/umiak")


class Layout(msgspec.Struct, frozen=True):
    """Folders and files of one cluster on this machine."""

    data: Path = DEFAULT_DATA
    run: Path = DEFAULT_RUN

    @property
    def server(self) -> Path:
        """The API server's own folder: store, authorities, admin.kubeconfig."""
        return self.data / "server"

    @property
    def node(self) -> Path:
        """The agent's folder: pods and their volumes."""
        return self.data / "node"

    @property
    def credentials(self) -> Path:
        return self.data / "credentials"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def containerd(self) -> Path:
        return self.data / "containerd"

    @property
    def cni_config(self) -> Path:
        return self.data / "cni"

    @property
    def volumes(self) -> Path:
        """Where local-path volumes live."""
        return self.data / "volumes"

    @property
    def manifests(self) -> Path:
        return self.data / "manifests"

    @property
    def runtime_socket(self) -> Path:
        return self.run / "containerd" / "containerd.sock"

    @property
    def programs(self) -> Path:
        """What the supervisor keeps running."""
        return self.run / "programs.json"

    @property
    def before(self) -> Path:
        """Kernel settings as they were before the cluster came up, to be put back."""
        return self.run / "kernel-before.json"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.server / "admin.kubeconfig"

    def kubeconfig(self, part: str) -> Path:
        return self.credentials / f"{part}.kubeconfig"

    def make(self) -> None:
        """Makes the folders; what may hold secrets is for root only."""
        for folder in (self.data, self.run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        for folder in (self.credentials, self.server):
            folder.mkdir(exist_ok=True, mode=0o700)
        for folder in (self.node, self.logs, self.containerd, self.cni_config, self.volumes, self.manifests):
            folder.mkdir(exist_ok=True, mode=0o755)
