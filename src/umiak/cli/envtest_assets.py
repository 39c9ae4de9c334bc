"""umiak envtest-assets: programs that controller-runtime's envtest starts in the place of kube-apiserver and etcd."""

import argparse
import shlex
import shutil
import sys
from pathlib import Path

from umiak.cli._output import JSON, TEXT, add_output, show
from umiak.cli.command import Command, CommandError

PROGRAMS = ("kube-apiserver", "etcd")
SCRIPT = """\
#!/bin/sh
exec {python} -m umiak.cli.envtest {program} "$@"
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="where to write them; its path is printed, for KUBEBUILDER_ASSETS"
    )
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    folder: Path = args.folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS:
            put(folder / program, program)
        link(folder / "kubectl")
    except OSError as error:
        raise CommandError(f"{error.filename or folder}: {error.strerror}") from None
    show({"folder": str(folder), "programs": list(PROGRAMS)}, args.output, [str(folder)])
    return 0


def put(file: Path, program: str) -> None:
    """Raises CommandError rather than replace somebody else's program."""
    script = SCRIPT.format(python=shlex.quote(sys.executable), program=program)
    if file.exists() and b"umiak.cli.envtest" not in file.read_bytes()[:4096]:
        raise CommandError(f"{file} is there already and not of umiak: choose another folder")
    file.write_text(script)
    file.chmod(0o755)


def link(file: Path) -> None:
    """envtest looks for kubectl beside them, but only for suites that call it."""
    found = shutil.which("kubectl")
    if found and not file.exists():
        file.unlink(missing_ok=True)
        file.symlink_to(found)


COMMAND = Command(
    name="envtest-assets",
    help="write programs for Go's envtest (KUBEBUILDER_ASSETS) that start umiak",
    arguments=arguments,
    run=run,
    examples=(
        "umiak envtest-assets ./assets",
        "KUBEBUILDER_ASSETS=$(umiak envtest-assets ./assets) go test ./...",
    ),
)
