"""The images that the suite's tests name, made of programs on this machine: the suite's own, and Debian's.

No registry is asked. Each image does what its original does as far as the tests look.
"""

import platform
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from umiak.node.images import archive, pause
from umiak.node.images.layer import Layer
from umiak.node.images.recipe import Recipe, assemble
from umiak.testing import reference

E2E = "registry.k8s.io/e2e-test-images/"
MACHINE = archive.MACHINES[platform.machine()]
FOLDERS = ("tmp", "uploads", "etc", "proc", "sys", "dev", "run", "var/run")
PACKAGES = [
    "busybox-static",
    "bind9-dnsutils",
    "curl",
    "netcat-openbsd",
    "iproute2",
    "socat",
    "nginx-light",
    "etcd-server",
    "openssl",
]
"""Debian's, whose programs go into the images."""
TOOLS = {
    "usr/bin/dig": "/usr/bin/dig",
    "usr/bin/curl": "/usr/bin/curl",
    "bin/nc": "/usr/bin/nc.openbsd",
    "bin/ss": "/usr/bin/ss",
    "bin/ip": "/usr/sbin/ip",
    "usr/bin/socat": "/usr/bin/socat",
    "usr/bin/getent": "/usr/bin/getent",
}
SHELL = {"bin/bash": "/bin/bash"}
"""Busybox' own shell drops variables with names such as `data-1`; bash keeps them."""
AS_SH = {"bin/sh": "bash"}

USERS = """\
root:x:0:0:root:/root:/bin/sh
user-defined-in-image:x:1000:1000::/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
"""
GROUPS = """\
root:x:0:
user-defined-in-image:x:1000:
group-defined-in-image:x:50000:user-defined-in-image
nogroup:x:65534:
"""
NGINX = """\
daemon off;
error_log /dev/stderr;
events {}
http { server { listen 80; root /usr/share/nginx/html; } }
"""
TEXTS = {
    "passwd": USERS,
    "group": GROUPS,
    "nginx.conf": NGINX,
    "index.html": "<h1>Welcome to nginx!</h1>\n",
    "kitten.json": '{"image":"kitten.jpg"}',
    "nautilus.json": '{"image":"nautilus.jpg"}',
    "picture": "jpg",
    "os-release": 'NAME="Alpine Linux"\n',
}
CERTIFICATE = "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost"


def small_files(folder: Path) -> None:
    """Writes what is no program: users, settings, and localhost's certificate, which some tests' probes ask for."""
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    where = ["-keyout", str(folder / "localhost.key"), "-out", str(folder / "localhost.crt")]
    subprocess.run(["openssl", *CERTIFICATE.split(), *names, *where], check=True, capture_output=True)


def recipes(texts: Path) -> Iterator[Recipe]:
    """Every image but the sandbox's; `texts` is the folder of `small_files`."""

    def made(name: str, files: Mapping[str, str], *, shell: bool = True, links: Mapping[str, str] = {}) -> Recipe:
        users = {f"etc/{n}": str(texts / n) for n in ("passwd", "group")}
        return Recipe(name=name, files={**users, **files}, links=links, folders=FOLDERS, busybox=shell)

    agnhost = {"agnhost": reference.program("agnhost")}
    coredns = {"coredns": reference.program("coredns")}
    keys = {name: str(texts / name) for name in ("localhost.crt", "localhost.key")}
    own_sh = {"bin/busybox": "/bin/busybox", **SHELL}
    for tag in ("2.66.1", "2.55"):
        image = made(f"{E2E}agnhost:{tag}", {**agnhost, **coredns, **TOOLS, **own_sh, **keys}, links=AS_SH)
        yield started(replace(image, links={**AS_SH, "agnhost-2": "agnhost"}), ["/agnhost"], ["pause"])
    yield started(made(f"{E2E}busybox:1.37.0-2", own_sh, links=AS_SH), [], ["sh"])
    served = {"etc/nginx/nginx.conf": "nginx.conf", "usr/share/nginx/html/index.html": "index.html"}
    nginx = {"usr/sbin/nginx": "/usr/sbin/nginx", **{k: str(texts / v) for k, v in served.items()}}
    for tag in ("1.27.0-2", "1.28.0-2"):
        image = made(f"{E2E}nginx:{tag}", nginx)
        yield started(replace(image, folders=[*FOLDERS, "var/log/nginx", "var/lib/nginx"]), [], ["nginx"])
    names = {"usr/bin/getent": TOOLS["usr/bin/getent"], "usr/bin/dig": "/usr/bin/dig", "usr/bin/curl": "/usr/bin/curl"}
    dns = made(f"{E2E}glibc-dns-testing:2.1.1", {**agnhost, **names, **own_sh}, links=AS_SH)
    yield started(dns, [], ["sleep", "36000"])
    yield started(made(f"{E2E}nonewprivs:1.4", {"usr/local/bin/nnp": reference.program("nnp")}), [], ["nnp"])
    yield started(made(f"{E2E}nonroot:1.5", {}), [], ["id"], user="1234")
    for animal in ("kitten", "nautilus"):
        pictures = {"data.json": str(texts / f"{animal}.json"), f"{animal}.jpg": str(texts / "picture")}
        pictures["etc/os-release"] = str(texts / "os-release")  # the original's base, which a test looks for
        yield started(
            made(f"{E2E}{animal}:1.8", {**agnhost, **pictures}, shell=False), ["/agnhost"], ["test-webserver"]
        )
    sample = made(f"{E2E}sample-apiserver:1.29.2", {"sample-apiserver": reference.program("sample-apiserver")})
    yield started(sample, ["/sample-apiserver"], [])
    yield made("registry.k8s.io/etcd:3.7.0-0", {"usr/local/bin/etcd": "/usr/bin/etcd"})
    yield started(made("registry.k8s.io/coredns/coredns:v1.15.0", coredns, shell=False), ["/coredns"], [])


def started(recipe: Recipe, entrypoint: Sequence[str], cmd: Sequence[str], user: str = "") -> Recipe:
    settings = archive.Settings(entrypoint=entrypoint, cmd=cmd, user=user, workdir="/")
    return replace(recipe, settings=settings)


def sandbox() -> bytes:
    layer = Layer()
    layer.file("pause", pause.program(MACHINE))
    settings = archive.Settings(entrypoint=["/pause"], user="65535:65535")
    return archive.archive("registry.k8s.io/pause:3.10.2", [layer], settings, MACHINE)


def make_all(folder: Path) -> list[Path]:
    """The archives in `folder`; those that are there already stay. Raises BadRecipe and reference.Missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pause.tar").write_bytes(sandbox())
    with tempfile.TemporaryDirectory() as texts:
        small_files(Path(texts))
        for recipe in recipes(Path(texts)):
            path = folder / f"{recipe.name.rpartition('/')[2].replace(':', '-')}.tar"
            if not path.exists():
                path.write_bytes(archive.archive(recipe.name, [assemble(recipe)], recipe.settings, MACHINE))
    return sorted(folder.glob("*.tar"))
