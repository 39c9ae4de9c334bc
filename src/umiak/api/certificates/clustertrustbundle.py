"""ClusterTrustBundle: certificates of authorities that pods may trust."""

import re

from umiak.api.common.cells import NAME, NONE, column, or_else
from umiak.api.common.checks import Errors, immutable
from umiak.api.common.signers import signer_name
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.types import Object

_ENTRY = re.compile(r"-----BEGIN ([^\n]*?)-----[ \t\r]*\n(.*?)-----END \1-----", re.DOTALL)
_OMITTED = "<value omitted>"


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    spec, name = obj.get("spec") or {}, (obj.get("metadata") or {}).get("name") or ""
    signer = spec.get("signerName") or ""
    if name:
        errors += [invalid_value("metadata.name", name, text) for text in _name_faults(name, signer)]
    if signer:
        signer_name(signer, "spec.signerName", errors)
    _anchors(spec.get("trustBundle") or "", "spec.trustBundle", errors)
    return errors


def _name_faults(name: str, signer: str) -> list[str]:
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return names.dns_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return names.dns_subdomain(name.removeprefix(prefix))


def _anchors(bundle: str, path: str, errors: Errors) -> None:
    """Certificates in PEM: only their packing is looked at."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(_ENTRY.finditer(bundle)):
        kind, body = entry.groups()
        if kind != "CERTIFICATE":
            errors.append(invalid_value(path, _OMITTED, f"entry {index} has bad block type: {kind}"))
        elif ":" in body:
            errors.append(invalid_value(path, _OMITTED, f"entry {index} has PEM block headers"))
        else:
            content = "".join(body.split())
            if content in seen:
                text = f"duplicate trust anchor (indices [{seen[content]} {index}])"
                errors.append(invalid_value(path, _OMITTED, text))
            seen.setdefault(content, index)
    if not seen and not any(error.path == path for error in errors):
        errors.append(invalid_value(path, _OMITTED, "at least one trust anchor must be provided"))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    now, before = ((obj.get("spec") or {}).get("signerName") or "" for obj in (new, old))
    immutable(now, before, "spec.signerName", errors)
    return errors


def any_name(name: str, is_prefix: bool) -> list[str]:
    """Which names are good depends on the signer, see `validate`."""
    return []


KIND = builtin(
    "certificates.k8s.io/v1",
    "ClusterTrustBundle",
    validate=validate,
    validate_update=validate_update,
    validate_name=any_name,
    columns=(
        NAME,
        column("SignerName", or_else("spec", "signerName", otherwise=NONE), "ClusterTrustBundleSpec.signerName"),
    ),
    selectable={"spec.signerName": lambda obj: (obj.get("spec") or {}).get("signerName") or ""},
    updates_unconditionally=False,
)
