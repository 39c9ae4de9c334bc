"""The certificates of ClusterTrustBundles (KEP-3257)."""

from typing import TYPE_CHECKING

from umiak.node.volume import CannotMount
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.node.tools import Tools


async def certificates(tools: "Tools", source: Object) -> bytes | None:
    """PEM text, or None when there is no such bundle and none is needed. Each certificate stands once."""
    from umiak.api.certificates.clustertrustbundle import KIND

    if name := source.get("name"):
        found = await tools.fetch.find(KIND, "", name)
        bundles = [found] if found else []
    elif source.get("labelSelector") is None:
        bundles = []  # as the API has it: no selector matches nothing, an empty one everything
    else:
        fields = f"spec.signerName={source.get('signerName', '')}"
        listed = await tools.client.list(KIND, labels=selector(source.get("labelSelector")), fields=fields)
        bundles = listed.items
    if not bundles:
        if source.get("optional"):
            return None
        raise CannotMount(missing(source.get("name")))
    blocks: dict[str, None] = {}
    for bundle in bundles:
        text = (bundle.get("spec") or {}).get("trustBundle") or ""
        for part in text.split("-----END CERTIFICATE-----")[:-1]:
            blocks[part.strip() + "\n-----END CERTIFICATE-----\n"] = None
    return "".join(sorted(blocks)).encode()


def missing(name: str | None) -> str:
    if name:
        return f'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "{name}" not found'
    return "combination of signerName and labelSelector matched zero ClusterTrustBundles"


def selector(wanted: Object | None) -> str:
    """A label selector as the API's query parameter."""
    found = [f"{k}={v}" for k, v in ((wanted or {}).get("matchLabels") or {}).items()]
    for rule in (wanted or {}).get("matchExpressions") or ():
        key, values = rule["key"], ",".join(rule.get("values") or ())
        shapes = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        found.append(shapes[rule["operator"]])
    return ",".join(found)
