"""What a namespace's labels ask for."""

import re
from collections.abc import Mapping

import msgspec

from umiak.objects.errors import FieldError, invalid_value

LEVELS = ("privileged", "baseline", "restricted")
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


class Policy(msgspec.Struct, frozen=True):
    """The standards of a namespace; pods that fail `enforce` are refused, those that fail `warn` are warned of."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()

    @property
    def is_open(self) -> bool:
        return {self.enforce.level, self.audit.level, self.warn.level} == {"privileged"}


OPEN = Policy()
"""Of a namespace that says nothing."""


def _level(text: str, fallback: str) -> tuple[str, str]:
    if text in LEVELS:
        return text, ""
    return fallback, f"must be one of {', '.join(LEVELS)}"


def _version(text: str) -> tuple[int, str]:
    if text == "latest":
        return LATEST, ""
    match = VERSION.fullmatch(text)
    return (int(match[1]), "") if match else (LATEST, 'must be "latest" or "v1.x"')


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[FieldError]]:
    """The policy, and what is wrong with the labels; a wrong level counts as restricted for enforcement."""
    faults: list[FieldError] = []
    found: dict[str, Standard] = {}
    if not any(label.startswith(PREFIX) for label in labels):
        return OPEN, faults
    for mode in ("enforce", "audit", "warn"):
        level, version = "privileged", LATEST
        if (text := labels.get(PREFIX + mode)) is not None:
            level, why = _level(text, "restricted" if mode == "enforce" else "privileged")
            _note(faults, PREFIX + mode, text, why)
        if (text := labels.get(f"{PREFIX}{mode}-version")) is not None:
            version, why = _version(text)
            _note(faults, f"{PREFIX}{mode}-version", text, why)
        found[mode] = Standard(level, version)
    if PREFIX + "warn" not in labels and labels.get(PREFIX + "enforce") in ("baseline", "restricted"):
        version = found["warn" if f"{PREFIX}warn-version" in labels else "enforce"].version
        found["warn"] = Standard(found["enforce"].level, version)
    return Policy(**found), faults


def _note(faults: list[FieldError], label: str, value: str, why: str) -> None:
    if why:
        faults.append(invalid_value(f"metadata.labels[{label}]", value, why))
