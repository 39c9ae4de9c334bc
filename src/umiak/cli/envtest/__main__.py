"""usage: python -m umiak.cli.envtest kube-apiserver|etcd [flags]"""

import sys
from collections.abc import Sequence

from umiak.cli.command import FAILED, CommandError
from umiak.kit import garbage


def run(words: Sequence[str]) -> int:
    """One of the two programs, until it is told to stop. Imports only that one."""
    match words:
        case ["kube-apiserver", *flags]:
            from umiak.cli.envtest import apiserver

            return apiserver.run(flags)
        case ["etcd", *flags]:
            from umiak.cli.envtest import etcd

            return etcd.run(flags)
    raise CommandError(str(__doc__))


def main() -> None:
    garbage.put_off()
    try:
        sys.exit(run(sys.argv[1:]))
    except CommandError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
