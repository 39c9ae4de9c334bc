"""Which admission plugins are in force, and what the file of `--admission-control-config-file` tells each.

Source: apiserver's `pkg/server/options/admission.go` and `pkg/admission/config.go`.
"""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from umiak.api.configuration import ANYTHING, TEXT, Unacceptable, document, list_of, read, struct
from umiak.kit.clock import Clock
from umiak.kit.modules import exported
from umiak.objects import encoding
from umiak.objects.encoding import Unreadable
from umiak.objects.errors import together
from umiak.objects.go_text import quoted
from umiak.server.admission_settings import AdmissionSettings
from umiak.server.contract import Admission, Means

USUAL, OPTIONAL = "umiak.server.admission", "umiak.server.admission.optional"
UNREAD = frozenset({"MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"})
"""Plugins that the reference configures by the file and we do not: better refused than taken for obeyed."""
LEGACY = {"imagePolicy": "ImagePolicyWebhook", "podNodeSelectorPluginConfig": "PodNodeSelector"}
"""What a file that is no API object may have in it, and whom that tells something."""


def chosen(
    settings: AdmissionSettings, others: Iterable[Admission], clock: Clock, chance: random.Random
) -> list[Admission]:
    """The plugins in force, configured; `others` are usual ones that are made elsewhere. Raises Unacceptable."""
    usual = [*exported(USUAL, "ADMISSION").values(), *others]
    if settings.is_usual:
        return usual
    optional = list(exported(OPTIONAL, "ADMISSION").values())
    faults = [*_unknown(settings, [*usual, *optional]), *_both(settings)]
    if faults:
        raise Unacceptable(together(faults))
    on = {plugin.name for plugin in usual} - settings.without | settings.wanted
    told = _told(settings.config_file) if settings.config_file else {}
    means = Means(clock, chance)
    return [_configured(plugin, told, means) for plugin in (*usual, *optional) if plugin.name in on]


def _unknown(settings: AdmissionSettings, known: Iterable[Admission]) -> list[str]:
    names = {plugin.name for plugin in known}
    flags = (("enable", settings.wanted), ("disable", settings.without))
    return [
        f"{word}-admission-plugins plugin {quoted(name)} is unknown"
        for word, wanted in flags
        for name in sorted(wanted - names)
    ]


def _both(settings: AdmissionSettings) -> list[str]:
    twice = sorted(settings.wanted & settings.without)
    why = "in enable-admission-plugins and disable-admission-plugins overlapped"
    return [f"[{' '.join(twice)}] {why}"] if twice else []


def _configured(plugin: Admission, told: dict[str, bytes], means: Means) -> Admission:
    if plugin.configure is None:
        if plugin.name in UNREAD and told.get(plugin.name):
            why = "umiak does not read its configuration; leave it out of the file"
            raise Unacceptable(f"couldn't init admission plugin {quoted(plugin.name)}: {why}")
        return plugin
    try:
        return plugin.configure(told.get(plugin.name, b""), means)
    except ValueError as error:
        raise Unacceptable(f"couldn't init admission plugin {quoted(plugin.name)}: {error}") from None


_PLUGIN = struct("AdmissionPluginConfiguration", name=TEXT, path=TEXT, configuration=ANYTHING)
_FILE = document("AdmissionConfiguration", plugins=list_of(_PLUGIN))
_KNOWN = {(f"apiserver.config.k8s.io/{version}", "AdmissionConfiguration"): _FILE for version in ("v1", "v1alpha1")} | {
    ("apiserver.k8s.io/v1alpha1", "AdmissionConfiguration"): _FILE
}


def _told(path: Path) -> dict[str, bytes]:
    """By plugin, what it is configured with. Raises Unacceptable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        why = f"open {path}: {(error.strerror or '').lower()}"
        text = f"unable to read admission control configuration from {quoted(str(path))} [{why}]"
        raise Unacceptable(f"failed to read plugin config: {text}") from None
    try:
        found = read(data, _KNOWN)
    except Unacceptable as error:
        if legacy := _legacy(data):
            return dict.fromkeys(legacy, data)
        raise Unacceptable(f"failed to read plugin config: {error}") from None
    plugins = reversed(found.get("plugins") or [])
    return {one.get("name") or "": _content(one, path.parent) for one in plugins}


def _content(one: Any, folder: Path) -> bytes:
    if one.get("configuration") is not None:
        return encoding.to_json(one["configuration"])
    path = one.get("path") or ""
    try:
        return (folder / path).read_bytes() if path else b""
    except OSError as error:
        raise Unacceptable(f"Couldn't open admission plugin configuration {folder / path}: {error.strerror}") from None


def _legacy(data: bytes) -> list[str]:
    try:
        value, _ = encoding.from_yaml(data)
    except Unreadable:
        return []
    if not isinstance(value, dict) or value.get("kind"):
        return []
    return list(LEGACY.values()) if any(name in value for name in LEGACY) else []
