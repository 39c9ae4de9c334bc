"""ClusterTrustBundle: certificates of authorities that pods may trust."""

from umiak.api.common.cells import NAME, NONE, column, or_else
from umiak.api.registry import builtin

KIND = builtin(
    "certificates.k8s.io/v1",
    "ClusterTrustBundle",
    columns=(
        NAME,
        column("SignerName", or_else("spec", "signerName", otherwise=NONE), "ClusterTrustBundleSpec.signerName"),
    ),
    selectable={"spec.signerName": lambda obj: (obj.get("spec") or {}).get("signerName") or ""},
    updates_unconditionally=False,
)
