"""YAML as sigs.k8s.io/yaml writes it: block style, sorted keys, quotes only where a plain word would mislead."""

import re
from typing import Any

import yaml

from umiak.objects.yaml_reader import resolve

_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?", re.ASCII)


class _Dumper(yaml.CSafeDumper):
    """Never writes anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    style = None
    if "\n" in text:
        style = "|"
    elif not isinstance(resolve(text) if text else None, str) or _BASE_60.fullmatch(text) or _DATE.fullmatch(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _natural(key: str) -> list[tuple[int, int, str]]:
    """go-yaml's order of keys: numbers inside by value, letters after other characters."""
    parts = []
    for number, char in re.findall(r"([0-9]+)|(.)", key, re.DOTALL):
        parts.append((1, int(number), "") if number else (2 if char.isalpha() else 0, 0, char))
    return parts


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value, key=_natural)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def write(value: Any) -> bytes:
    return yaml.dump(
        _sorted(value),
        Dumper=_Dumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=2**31 - 1,
        encoding="utf-8",
    )
