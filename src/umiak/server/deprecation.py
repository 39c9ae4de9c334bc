"""Kinds that are on their way out, and what to use instead; every request for them is warned of it."""

from umiak.api.kind import Kind

WARNINGS = {
    ("v1", "Endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ("v1", "ComponentStatus"): "v1 ComponentStatus is deprecated in v1.19+",
}


def warnings(kind: Kind) -> list[str]:
    text = kind.deprecation or WARNINGS.get((kind.api_version, kind.kind))
    return [text] if text else []
