"""YAML as sigs.k8s.io/yaml writes it: block style, sorted keys, quotes only where a plain word would mislead."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from umiak.objects import go_text
from umiak.objects.go_text import whole
from umiak.objects.yaml_reader import is_timestamp, resolve

_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_IMPLICIT = (True, True)


def write(value: Any) -> bytes:
    """One document."""
    events = [
        yaml.StreamStartEvent(encoding="utf-8"),
        yaml.DocumentStartEvent(explicit=False),
        *_events(value),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ]
    text: str = yaml.emit(events, Dumper=yaml.CSafeDumper, allow_unicode=True)
    return text.encode()


def _events(value: Any) -> Iterator[yaml.Event]:
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(None, None, True, flow_style=not value)
        for key in sorted(value, key=_natural):
            yield _scalar(key)
            yield from _events(value[key])
        yield yaml.MappingEndEvent()
    elif isinstance(value, list):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=not value)
        for item in value:
            yield from _events(item)
        yield yaml.SequenceEndEvent()
    else:
        yield _scalar(value)


def _scalar(value: Any) -> yaml.ScalarEvent:
    if not isinstance(value, str):
        return yaml.ScalarEvent(None, None, _IMPLICIT, _plain(value), style=None)
    style = None
    if "\n" in value:
        style = "|"
    elif not value or not isinstance(resolve(value), str) or is_timestamp(value) or _BASE_60.fullmatch(value):
        style = '"'
    return yaml.ScalarEvent(None, None, _IMPLICIT, value, style=style)


def _plain(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return go_text.float_g(value) if isinstance(value, float) else str(value)


def _natural(key: str) -> list[tuple[int, int, str]]:
    """go-yaml's order of keys: numbers inside by value, letters after other characters."""
    parts = []
    for number, char in re.findall(r"([0-9]+)|(.)", key, re.DOTALL):
        parts.append((1, whole(number), "") if number else (2 if char.isalpha() else 0, 0, char))
    return parts
