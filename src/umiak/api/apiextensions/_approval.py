"""Whether a definition may be in a group that belongs to the Kubernetes community (KEP-1111)."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from umiak.objects.go_text import quoted

ANNOTATION = "api-approved.kubernetes.io"
SEE = "see https://github.com/kubernetes/enhancements/pull/1111"


def is_protected(group: str) -> bool:
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval(annotations: Mapping[str, str]) -> tuple[str, str]:
    """(Missing, Unapproved, Approved or Invalid; the reason in the reference's words)."""
    value = annotations.get(ANNOTATION) or ""
    if not value:
        return "Missing", f"protected groups must have approval annotation {quoted(ANNOTATION)}, {SEE}"
    if value.startswith("unapproved"):
        return "Unapproved", f"not approved: {quoted(value)}"
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme and parts.netloc:
        return "Approved", f"approved in {value}"
    either = 'with either a URL or a reason starting with "unapproved"'
    return "Invalid", f"protected groups must have approval annotation {quoted(ANNOTATION)} {either}, {SEE}"
