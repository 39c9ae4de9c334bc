"""The flags of `umiak server` that say how its file is encrypted: names and meaning are kube-apiserver's."""

import argparse
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli._access import switch
from umiak.cli.command import CommandError

if TYPE_CHECKING:
    from umiak.server.app import ApiServer
    from umiak.server.encryption.following import EncryptionSettings, Encryptor
    from umiak.server.settings import Settings
    from umiak.store.sealing import OpenedHistory
    from umiak.store.sqlite import SqliteHistory
    from umiak.store.view import View

RELOAD = "--encryption-provider-config-automatic-reload"


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--encryption-provider-config", type=Path, metavar="F", help="what is encrypted in the store's file, and how")
    add(RELOAD, type=switch, nargs="?", const=True, default=False, metavar="true|false")


def encryption_settings(args: argparse.Namespace) -> "EncryptionSettings | None":
    """None where nothing is encrypted. Raises CommandError."""
    if args.encryption_provider_config is None:
        if args.encryption_provider_config_automatic_reload:
            raise CommandError(f"{RELOAD} must be set with --encryption-provider-config")
        return None
    if args.store != "sqlite":
        raise CommandError(f"--encryption-provider-config: --store {args.store} has no file to encrypt")
    from umiak.server.encryption.following import EncryptionSettings

    reloads = args.encryption_provider_config_automatic_reload
    return EncryptionSettings(config=args.encryption_provider_config, reloads=reloads)


@contextlib.asynccontextmanager
async def encrypting(settings: "Settings") -> AsyncIterator["Encryptor | None"]:
    """What seals the store's values. Raises CommandError."""
    if settings.encryption is None:
        yield None
        return
    from uuid import uuid4

    from umiak.api.configuration import Unacceptable
    from umiak.kit.clock import RealClock
    from umiak.server.encryption.following import Encryptor

    encryptor = Encryptor(settings.encryption, RealClock(), lambda: str(uuid4()))
    try:
        await encryptor.begin()
    except Unacceptable as error:
        raise CommandError(str(error)) from None
    try:
        yield encryptor
    finally:
        await encryptor.close()


def opened(history: "SqliteHistory", encryptor: "Encryptor | None") -> "SqliteHistory | OpenedHistory":
    """What a process beside the store's owner reads from its file."""
    from umiak.store.sealing import OpenedHistory

    return history if encryptor is None else OpenedHistory(history, encryptor.transformer)


def hang_in(app: "ApiServer", encryptor: "Encryptor | None", store: "View") -> None:
    """Every process looks after its own keys."""
    if encryptor is None:
        return
    from umiak.server.health import Check

    covers = encryptor.transformer.covers
    encryptor.on_change = lambda: store.reopen(covers)
    encryptor.start()
    if encryptor.is_checked:
        app.checks.append(Check("kms-providers", lambda app: encryptor.fault()))
