"""The shape of an object: plain JSON data, as it came over the wire."""

from typing import Any

Object = dict[str, Any]
"""A Kubernetes object: JSON decoded to dicts and lists. Unknown fields survive."""
