"""Encryption of a running server: its plug-ins are looked after, and a new configuration file is taken up."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from umiak.api.configuration import Unacceptable
from umiak.kit.clock import Clock
from umiak.kit.tasks import Tasks
from umiak.server.encryption.chain import Encryption
from umiak.server.encryption.config import Plugin, Rule, load
from umiak.server.encryption.kms import Kms

log = logging.getLogger(__name__)

PERIOD = 60.0
"""Seconds between looks at the file."""


class EncryptionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """kube-apiserver's flags `--encryption-provider-config` and `--encryption-provider-config-automatic-reload`."""

    config: Path
    reloads: bool = False


class Encryptor:
    """Make it with `begin`, before the store is opened; `transformer` is what the store is given."""

    def __init__(self, settings: EncryptionSettings, clock: Clock, new_uid: Callable[[], str]) -> None:
        self._settings = settings
        self._clock = clock
        self._new_uid = new_uid
        self._tasks = Tasks("encryption")
        self._plugins: dict[str, Kms] = {}
        self._running: list[asyncio.Task[None]] = []
        self._hash = ""
        self.transformer = Encryption((), self._plugged)
        self.on_change: Callable[[], None] = lambda: None
        """Called when other keys hold."""

    def _plugged(self, plugin: Plugin) -> Kms:
        return self._plugins[plugin.name]

    async def begin(self) -> None:
        """Reads the file. A plug-in that does not answer yet is no fault. Raises Unacceptable."""
        await self._use(load(self._settings.config, reloads=self._settings.reloads), insists=False)
        self._hash = self._hashed()

    async def _use(self, rules: Sequence[Rule], insists: bool) -> None:
        """Raises Unacceptable when a plug-in does not work, and that counts."""
        wanted = {provider.plugin for rule in rules for provider in rule.providers if provider.plugin is not None}
        fresh = {plugin.name: Kms(plugin, self._clock, self._new_uid) for plugin in wanted}
        for kms in fresh.values():
            await kms.check()
        if insists and (fault := _told(fresh.values())):
            await _close(fresh.values())
            raise Unacceptable(fault)
        old, self._plugins = self._plugins, fresh
        self.transformer.use(rules, self._plugged)
        for task in self._running:
            task.cancel()
        self._running = [self._tasks.start(f"kms {name}", kms.run()) for name, kms in fresh.items()]
        await _close(old.values())

    def start(self) -> None:
        if self._settings.reloads:
            self._tasks.start("configuration", self._follow())

    async def _follow(self) -> None:
        while True:
            await self._clock.sleep(PERIOD)
            await self.look()

    async def look(self) -> None:
        """Takes up the file if it has changed; one that can not be used changes nothing."""
        try:
            found = self._hashed()
            if found == self._hash:
                return
            await self._use(load(self._settings.config, reloads=True), insists=True)
        except (OSError, Unacceptable) as error:
            log.error("the encryption configuration stays as it was: %s", error)
            return
        self._hash = found
        self.on_change()

    def _hashed(self) -> str:
        return sha256(self._settings.config.read_bytes()).hexdigest()

    @property
    def is_checked(self) -> bool:
        """Whether health shows it."""
        return self._settings.reloads or bool(self._plugins)

    def fault(self) -> str:
        """What is wrong with the plug-ins."""
        return _told(self._plugins.values())

    async def close(self) -> None:
        await self._tasks.close()
        await _close(self._plugins.values())


def _told(plugins: Iterable[Kms]) -> str:
    faults = [f"kms-provider-{n}: {kms.fault}" for n, kms in enumerate(plugins) if kms.fault]
    return faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]" if faults else ""


async def _close(plugins: Iterable[Kms]) -> None:
    for kms in plugins:
        await asyncio.to_thread(kms.close)
