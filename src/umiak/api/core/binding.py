"""Binding, v1."""

from umiak.api.registry import builtin

KIND = builtin("v1", "Binding")
