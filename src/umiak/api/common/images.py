"""Reads image references, as `github.com/distribution/reference` does."""

import re
from functools import lru_cache

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_BARE_DIGEST = re.compile(r"[a-f0-9]{64}")


def _split_domain(image: str) -> tuple[str, str]:
    """The registry and the rest; names without a registry belong to docker.io."""
    first, slash, rest = image.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first.lower() != first
    if not slash or not is_domain:
        domain, rest = "docker.io", image
    else:
        domain = "docker.io" if first == "index.docker.io" else first
    if domain == "docker.io" and "/" not in rest:
        rest = "library/" + rest
    return domain, rest


@lru_cache(maxsize=4096)
def tag_of(image: str) -> str:
    """The tag of an image; "latest" when it names neither tag nor digest, empty when it is no valid reference."""
    if _BARE_DIGEST.fullmatch(image):
        return ""
    domain, rest = _split_domain(image)
    remote = rest.partition(":")[0] if ":" in rest else rest
    if remote.partition("@")[0].lower() != remote.partition("@")[0]:
        return ""
    found = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if not found or len(found["name"]) > 255:
        return ""
    return str(found["tag"] or ("" if found["digest"] else "latest"))


def default_pull_policy(image: str) -> str:
    """Always for `latest`, else IfNotPresent."""
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"
