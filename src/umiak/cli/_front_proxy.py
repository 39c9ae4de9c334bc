"""The flags of `umiak server` about servers that speak for users: names and meaning are kube-apiserver's."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli._access import Listed
from umiak.cli.command import CommandError

if TYPE_CHECKING:
    from umiak.server.access.settings import FrontProxySettings

FILES = ("requestheader-client-ca-file", "proxy-client-cert-file", "proxy-client-key-file")
HEADERS = {
    "requestheader-allowed-names": "common names that may speak for others; default all of that authority",
    "requestheader-username-headers": "default X-Remote-User",
    "requestheader-uid-headers": "default X-Remote-Uid",
    "requestheader-group-headers": "default X-Remote-Group",
    "requestheader-extra-headers-prefix": "default X-Remote-Extra-",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("front proxies and servers behind this one")
    group.add_argument("--requestheader-client-ca-file", default="", metavar="F", help="default: one of our own")
    for name, text in HEADERS.items():
        group.add_argument(f"--{name}", action=Listed, metavar="TEXT,..", help=text)
    group.add_argument("--proxy-client-cert-file", default="", metavar="F", help="what we show to servers behind us")
    group.add_argument("--proxy-client-key-file", default="", metavar="F")


def settings(args: argparse.Namespace) -> "FrontProxySettings":
    """Raises CommandError on what can not be."""
    from umiak.server.access.settings import FrontProxySettings
    from umiak.server.identity import FRONT_PROXY

    if bool(args.proxy_client_cert_file) != bool(args.proxy_client_key_file):
        raise CommandError("--proxy-client-cert-file and --proxy-client-key-file must be given together")
    for flag in FILES:
        path = getattr(args, flag.replace("-", "_"))
        if path and not Path(path).is_file():
            raise CommandError(f"--{flag} {path}: no such file")
    own = () if args.requestheader_client_ca_file else (FRONT_PROXY,)
    given = {
        "allowed_names": args.requestheader_allowed_names or own,
        "username_headers": args.requestheader_username_headers,
        "uid_headers": args.requestheader_uid_headers,
        "group_headers": args.requestheader_group_headers,
        "extra_prefixes": args.requestheader_extra_headers_prefix,
    }
    return FrontProxySettings(
        client_ca_file=args.requestheader_client_ca_file,
        proxy_client_cert_file=args.proxy_client_cert_file,
        proxy_client_key_file=args.proxy_client_key_file,
        **{name: tuple(value) for name, value in given.items() if value},
    )
