"""umiak image: builds OCI images from files on this machine, and handles those of the container runtime."""

import argparse
import asyncio
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli._output import JSON, TEXT, YAML, add_output, show
from umiak.cli.command import Command, CommandError

if TYPE_CHECKING:
    from umiak.node.images.recipe import Recipe
    from umiak.node.runtime import Image

ENDPOINT = "unix:///run/umiak/containerd/containerd.sock"


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="make an OCI archive from a folder or from single files")
    build.add_argument(
        "source", nargs="+", metavar="DIR|FILE", help="a folder (with image.toml, or as it lies), or files"
    )
    build.add_argument("-t", "--tag", default="", metavar="NAME", help="the image's name with its tag")
    build.add_argument("-o", "--output", type=Path, metavar="F", help="the archive (default: NAME.tar here)")
    build.add_argument("--entrypoint", action="append", metavar="WORD", help="may be repeated")
    build.add_argument("--cmd", action="append", metavar="WORD", help="may be repeated")
    build.add_argument("--env", action="append", metavar="NAME=VALUE", help="may be repeated")
    build.add_argument("--user", metavar="UID[:GID]")
    build.add_argument("--workdir", metavar="DIR")
    build.add_argument(
        "--package", action="append", metavar="NAME", help="an installed Debian package; may be repeated"
    )
    build.add_argument("--busybox", action="store_true", help="add a shell and its tools")
    load = actions.add_parser("import", help="give an archive to the container runtime")
    load.add_argument("archives", nargs="+", type=Path, metavar="F")
    listing = actions.add_parser("list", help="what images the container runtime has")
    prune = actions.add_parser("prune", help="remove images that no container uses")
    for action in (load, listing, prune):
        action.add_argument("--runtime", default=ENDPOINT, metavar="ENDPOINT")
        add_output(action, TEXT, JSON, YAML)


def run(args: argparse.Namespace) -> int:
    from umiak.node.images.recipe import BadRecipe
    from umiak.node.runtime import RuntimeFailure

    actions = {"build": build, "import": load, "list": look, "prune": prune}
    try:
        actions[args.action](args)
    except (BadRecipe, ValueError, OSError) as error:
        raise CommandError(str(error)) from error
    except RuntimeFailure as error:
        raise CommandError(error.message) from error
    return 0


def build(args: argparse.Namespace) -> None:
    from umiak.node.images.archive import MACHINES, archive, full_name
    from umiak.node.images.recipe import assemble

    recipe = recipe_of(args)
    name = args.tag or recipe.name
    if not name:
        raise CommandError("the image needs a name: give -t NAME, or name = ... in image.toml")
    machine = platform.machine()
    data = archive(name, [assemble(recipe)], recipe.settings, MACHINES.get(machine, machine))
    output = args.output or Path(name.rpartition("/")[2].replace(":", "_") + ".tar")
    output.write_bytes(data)
    print(f"{full_name(name)}: {output}, {len(data)} bytes")


def recipe_of(args: argparse.Namespace) -> "Recipe":
    """The folder's recipe, or one of single files, with the command line's say on top."""
    from msgspec.structs import replace

    from umiak.node.images.recipe import Recipe, read

    sources = [Path(s) for s in args.source]
    if len(sources) == 1 and sources[0].is_dir():
        recipe = read(sources[0])
    else:
        recipe = Recipe(files={str(s.resolve()): str(s.resolve()) for s in sources})
    given = {"entrypoint": args.entrypoint, "cmd": args.cmd, "user": args.user, "workdir": args.workdir}
    chosen = {k: v for k, v in given.items() if v is not None}
    environment = [*recipe.settings.environment, *(args.env or ())]
    settings = replace(recipe.settings, **chosen, environment=environment)
    packages = [*recipe.packages, *(args.package or ())]
    return replace(recipe, settings=settings, packages=packages, busybox=recipe.busybox or args.busybox)


def load(args: argparse.Namespace) -> None:
    from umiak.node.cri.channel import socket_path
    from umiak.node.images.imports import import_archive

    imported: list[str] = []
    for archive in args.archives:
        if not archive.is_file():
            raise CommandError(f"{archive} is no file")
        imported += asyncio.run(import_archive(str(archive), socket_path(args.runtime)))
    show({"imported": imported}, args.output, (f"imported {name}" for name in imported))


def names(image: "Image") -> list[str]:
    return [*(image.tags or image.digests or (image.id,))]


def look(args: argparse.Namespace) -> None:
    async def ask() -> list["Image"]:
        from umiak.node.cri.client import Cri

        runtime = Cri(args.runtime)
        try:
            return await runtime.images()
        finally:
            await runtime.close()

    images = asyncio.run(ask())
    found = [{"names": names(i), "id": i.id, "bytes": i.size} for i in images]
    show({"images": found}, args.output, table(images))


def table(images: "Iterable[Image]") -> Iterator[str]:
    rows = [(name, i.id.removeprefix("sha256:")[:12], f"{i.size / 1e6:.1f} MB") for i in images for name in names(i)]
    lines = [("IMAGE", "ID", "SIZE"), *sorted(rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def prune(args: argparse.Namespace) -> None:
    removed = asyncio.run(_prune(args.runtime))
    show({"removed": removed}, args.output, (f"removed {name}" for name in removed))


async def _prune(endpoint: str) -> list[str]:
    """Removes what no container uses, except pinned images and those that look like the sandbox's."""
    from umiak.node.cri.client import Cri

    runtime = Cri(endpoint)
    try:
        used = {name for c in await runtime.containers() for name in (c.image, c.image_ref)}
        removed = []
        for image in await runtime.images():
            is_pause = any("/pause:" in tag for tag in image.tags)
            if image.pinned or is_pause or used & {image.id, *image.tags, *image.digests}:
                continue
            await runtime.remove_image(image.id)
            removed += names(image)
        return removed
    finally:
        await runtime.close()


COMMAND = Command(
    name="image",
    help="build, import, list and prune container images, without a daemon or a registry",
    arguments=arguments,
    run=run,
    examples=(
        "umiak image build ./web -t example.org/web:1 -o web.tar",
        "umiak image build /usr/bin/redis-server -t redis:7 --entrypoint /usr/bin/redis-server",
        "umiak image import web.tar",
    ),
)
