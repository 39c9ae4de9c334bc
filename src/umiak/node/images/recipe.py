"""What goes into an image: read from a folder's `image.toml`, completed with the libraries that its programs need.

name = "example.org/web:1"        # or -t on the command line
entrypoint = ["/usr/bin/python3", "/app/main.py"]
cmd = []
env = { GREETING = "hello" }
user = "1000"
workdir = "/app"
packages = ["python3-minimal"]     # files of installed Debian packages, and of all they depend on
folders = ["tmp", "var/lib/app"]
[files]                            # path in the image = path here, relative to the folder; folders are copied whole
"app" = "src"
"bin/busybox" = "/bin/busybox"
[links]
"bin/sh" = "busybox"
"""

import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from umiak.node.images.archive import Settings
from umiak.node.images.layer import Layer

STICKY = {"tmp": 0o1777, "var/tmp": 0o1777}
USERS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUPS = b"root:x:0:\nnogroup:x:65534:\n"
NAMES = b"passwd: files\ngroup: files\nhosts: files dns\n"
NOT_NEEDED = ("usr/share/doc/", "usr/share/man/", "usr/share/lintian/", "usr/share/locale/", "usr/share/info/")


class BadRecipe(Exception):
    """The image.toml, or a file it names, is not as it should be."""


class Recipe(msgspec.Struct, frozen=True):
    """All that is to be in an image. Sources are absolute paths on this machine."""

    name: str = ""
    settings: Settings = msgspec.field(default_factory=Settings)
    files: Mapping[str, str] = msgspec.field(default_factory=dict)
    links: Mapping[str, str] = msgspec.field(default_factory=dict)
    folders: Sequence[str] = ("tmp",)
    packages: Sequence[str] = ()
    busybox: bool = False
    """Whether to add a static busybox with all its applets as links in /bin."""


KNOWN = {
    *("name", "entrypoint", "cmd", "env", "user", "workdir", "packages", "folders", "files", "links", "labels"),
    *("ports", "stop_signal", "busybox"),
}


def read(folder: Path) -> Recipe:
    """The recipe in `folder`; without an image.toml, all its files as they lie."""
    path = folder / "image.toml"
    if not path.exists():
        return Recipe(files={"": str(folder.resolve())})
    try:
        wanted = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path}: {error}") from error
    unknown = sorted(set(wanted) - KNOWN)
    if unknown:
        raise BadRecipe(f"{path}: unknown {', '.join(unknown)}; known are {', '.join(sorted(KNOWN))}")
    return from_table(wanted, folder)


def from_table(wanted: Mapping[str, Any], folder: Path) -> Recipe:
    settings = Settings(
        entrypoint=wanted.get("entrypoint", ()),
        cmd=wanted.get("cmd", ()),
        environment=[f"{k}={v}" for k, v in wanted.get("env", {}).items()],
        user=str(wanted.get("user", "")),
        workdir=wanted.get("workdir", ""),
        labels=wanted.get("labels", {}),
        exposed_ports=wanted.get("ports", ()),
        stop_signal=wanted.get("stop_signal", ""),
    )
    files = {inside: str((folder / source).resolve()) for inside, source in wanted.get("files", {}).items()}
    return Recipe(
        name=wanted.get("name", ""),
        settings=settings,
        files=files,
        links=wanted.get("links", {}),
        folders=wanted.get("folders", ("tmp",)),
        packages=wanted.get("packages", ()),
        busybox=wanted.get("busybox", False),
    )


def run(command: Sequence[str]) -> str:
    """A program's output; BadRecipe when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise BadRecipe(f"{' '.join(command[:3])}: {said.strip()}") from error
    return done.stdout


def is_program(data: bytes) -> bool:
    return data[:4] == b"\x7fELF"


def libraries(path: str) -> list[str]:
    """Shared libraries and the loader of a program, by ldd; none for a static one."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", done.stdout)


def packaged_files(packages: Iterable[str]) -> list[str]:
    """Paths of the files of installed packages and of what they depend on, without documentation."""
    wanted = list(packages)
    listed = run(["dpkg", "-L", *with_dependencies(wanted)]).splitlines() if wanted else []
    return sorted({p for p in listed if p.startswith("/") and not p[1:].startswith(NOT_NEEDED) and p != "/."})


def with_dependencies(packages: Sequence[str]) -> list[str]:
    """The packages and all that is installed of their Depends and Pre-Depends, however far."""
    found: dict[str, None] = {}
    waiting = list(packages)
    while waiting:
        batch = [p for p in dict.fromkeys(waiting) if p not in found]
        found.update(dict.fromkeys(batch))
        waiting = [p for p in depends(batch) if p not in found] if batch else []
    missing = [p for p in packages if not installed(p)]
    if missing:
        raise BadRecipe(f"not installed: {', '.join(missing)}")
    return [p for p in found if installed(p)]


def depends(packages: Sequence[str]) -> list[str]:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Pre-Depends}, ${Depends}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    names = re.split(r"[,|\n]", done.stdout)
    return [m.group(0) for n in names if (m := re.match(r"[a-z0-9][a-z0-9+.-]+", n.strip()))]


def installed(package: str) -> bool:
    status = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package]
    return subprocess.run(status, capture_output=True, text=True, check=False).stdout.startswith("ii")


def assemble(recipe: Recipe) -> Layer:
    """Reads everything the recipe names into one layer."""
    layer = Layer()
    for folder in recipe.folders:
        layer.folder(folder, STICKY.get(folder.strip("/"), 0o755))
    for inside, source in recipe.files.items():
        copy(layer, Path(source), inside)
    for path in packaged_files(recipe.packages):
        copy_as_is(layer, path)
    if recipe.busybox:
        add_busybox(layer)
    for inside, target in recipe.links.items():
        layer.link(inside, target)
    for path, data in {"etc/passwd": USERS, "etc/group": GROUPS, "etc/nsswitch.conf": NAMES}.items():
        if path not in layer:
            layer.file(path, data, 0o644)
    return layer


def copy(layer: Layer, source: Path, inside: str) -> None:
    """A file with its libraries, or a folder with all in it; links are copied as links inside folders."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.name != "image.toml" and not path.is_dir():
                copy_one(layer, path, f"{inside}/{path.relative_to(source)}")
        return
    if not source.exists():
        raise BadRecipe(f"{source} does not exist")
    copy_one(layer, source.resolve(), inside)


def copy_one(layer: Layer, source: Path, inside: str) -> None:
    if source.is_symlink():
        layer.link(inside, str(source.readlink()))
        return
    data = source.read_bytes()
    layer.file(inside, data, stat.S_IMODE(source.stat().st_mode))
    if is_program(data):
        for library in libraries(str(source)):
            copy_as_is(layer, library)


def copy_as_is(layer: Layer, path: str) -> None:
    """A path of this machine at the same place in the image, through the machine's own links to folders."""
    real = Path(path)
    if path in layer or real.is_dir():
        return
    if real.is_symlink():
        layer.link(path, str(real.readlink()))
        target = Path(os.path.normpath(real.parent / real.readlink()))
        if target.is_file():
            copy_as_is(layer, str(target))
    elif real.is_file():
        copy_one(layer, real, path)


def add_busybox(layer: Layer) -> None:
    """A static busybox and a link in /bin for each applet that is not there yet."""
    layer.file("bin/busybox", Path("/bin/busybox").read_bytes())
    for applet in run(["/bin/busybox", "--list"]).split():
        if applet != "busybox" and f"bin/{applet}" not in layer:
            layer.link(f"bin/{applet}", "busybox")
