"""Finds the parts of a package by listing its folder: nothing registers itself, no list is kept by hand."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def modules(package: str) -> Iterator[ModuleType]:
    """Imports the public modules and sub-packages directly inside `package`, by name in order."""
    home = importlib.import_module(package)
    for found in sorted(pkgutil.iter_modules(home.__path__), key=lambda m: m.name):
        if not found.name.startswith("_"):
            yield importlib.import_module(f"{package}.{found.name}")


def exported(package: str, constant: str) -> dict[str, Any]:
    """The `constant` of each module in `package` that has one, by module name."""
    return {
        module.__name__.rpartition(".")[2]: getattr(module, constant)
        for module in modules(package)
        if hasattr(module, constant)
    }
