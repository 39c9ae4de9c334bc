"""What a namespace's labels ask for."""

import re
from collections.abc import Mapping

import msgspec

from umiak.objects.errors import FieldError, invalid_value

LEVELS = ("privileged", "baseline", "restricted")
MODES = ("enforce", "warn", "audit")
PREFIX = "pod-security.kubernetes.io/"
LATEST = 1_000_000
"""Stands for the newest version of the standards, and any to come."""
VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)")


class Standard(msgspec.Struct, frozen=True):
    """A level of the standards in a version: the minor number of the release, or LATEST."""

    level: str = "privileged"
    version: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.version == LATEST else f'v1.{self.version}'}"

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.level)

    def is_equivalent(self, other: "Standard") -> bool:
        return self == other or self.level == other.level == "privileged"


class Policy(msgspec.Struct, frozen=True):
    """The standards of a namespace; pods that fail `enforce` are refused, those that fail `warn` are warned of."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()

    @property
    def is_open(self) -> bool:
        return {self.enforce.level, self.audit.level, self.warn.level} == {"privileged"}

    def is_equivalent(self, other: "Policy") -> bool:
        pairs = ((self.enforce, other.enforce), (self.audit, other.audit), (self.warn, other.warn))
        return all(mine.is_equivalent(theirs) for mine, theirs in pairs)


OPEN = Policy()
"""Of a namespace that says nothing."""


class Rules(msgspec.Struct, frozen=True):
    """What holds where labels say nothing, and for whom nothing holds."""

    defaults: Policy = OPEN
    namespaces: frozenset[str] = frozenset()
    usernames: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()

    def exemption(self, namespace: str, username: str) -> str:
        """Why pods there, or of this user, are let through; empty when they are not."""
        if namespace in self.namespaces:
            return "namespace"
        return "user" if username in self.usernames else ""


def level_of(text: str, fallback: str) -> tuple[str, str]:
    """The level, and what is wrong with it."""
    if text in LEVELS:
        return text, ""
    return fallback, f"must be one of {', '.join(LEVELS)}"


def version_of(text: str) -> tuple[int, str]:
    """The version, and what is wrong with it."""
    if text == "latest":
        return LATEST, ""
    match = VERSION.fullmatch(text)
    return (int(match[1]), "") if match else (LATEST, 'must be "latest" or "v1.x"')


def policy_of(labels: Mapping[str, str], defaults: Policy = OPEN) -> tuple[Policy, list[FieldError]]:
    """The policy, and what is wrong with the labels; a wrong level counts as restricted for enforcement."""
    faults: list[FieldError] = []
    if not any(label.startswith(PREFIX) for label in labels):
        return defaults, faults
    enforce = _standard(labels, "enforce", defaults.enforce, "restricted", faults)
    audit = _standard(labels, "audit", defaults.audit, "privileged", faults)
    warn = _standard(labels, "warn", defaults.warn, "privileged", faults)
    if f"{PREFIX}warn" not in labels and labels.get(f"{PREFIX}enforce") in LEVELS:
        warn = _at_least(warn, enforce, keeps_version=f"{PREFIX}warn-version" in labels)
    return Policy(enforce, audit, warn), faults


def _standard(
    labels: Mapping[str, str], mode: str, default: Standard, fallback: str, faults: list[FieldError]
) -> Standard:
    level, version = default.level, default.version
    if (text := labels.get(PREFIX + mode)) is not None:
        level, why = level_of(text, fallback)
        _note(faults, PREFIX + mode, text, why)
    if (text := labels.get(f"{PREFIX}{mode}-version")) is not None:
        version, why = version_of(text)
        _note(faults, f"{PREFIX}{mode}-version", text, why)
    return Standard(level, version)


def _at_least(warn: Standard, enforce: Standard, *, keeps_version: bool) -> Standard:
    """What is refused by labels is warned of, too, where pods are only made later."""
    if warn.strictness >= enforce.strictness:
        return warn
    return Standard(enforce.level, warn.version if keeps_version else enforce.version)


def _note(faults: list[FieldError], label: str, value: str, why: str) -> None:
    if why:
        faults.append(invalid_value(f"metadata.labels[{label}]", value, why))
