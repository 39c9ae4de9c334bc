"""CertificateSigningRequest: a wish for a certificate."""

import base64
import re
from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, human_duration, or_else, reads
from umiak.api.common.metadata import path_segment
from umiak.api.common.signers import signer_name
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, duplicate, invalid_value, not_supported, required
from umiak.objects.types import Object


def prepare_update(new: Object, old: Object) -> None:
    """The request itself never changes."""
    keep_status(new, old)
    new["spec"] = old["spec"]


USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj.get("spec") or {}
    fault = _request_fault(spec.get("request") or "")
    if fault:
        errors.append(invalid_value("spec.request", spec.get("request"), fault))
    usages = spec.get("usages") or []
    if not usages:
        errors.append(required("spec.usages"))
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            errors.append(not_supported(f"spec.usages[{index}]", usage, USAGES))
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            errors.append(duplicate(f"spec.usages[{index}]", usage))
    if spec.get("signerName") == "kubernetes.io/legacy-unknown":
        text = "the legacy signerName is not allowed via this API version"
        errors.append(invalid_value("spec.signerName", spec["signerName"], text))
    else:
        signer_name(spec.get("signerName") or "", "spec.signerName", errors)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        errors.append(invalid_value("spec.expirationSeconds", seconds, text))
    return errors


def _request_fault(request: str) -> str:
    """A PKCS #10 request in PEM, which its key signed."""
    text = base64.b64decode(request).decode(errors="replace")
    if not re.search("^-----BEGIN CERTIFICATE REQUEST-----$", text, re.MULTILINE):
        return "PEM block type must be CERTIFICATE REQUEST"
    from cryptography.x509 import load_pem_x509_csr

    try:
        return "" if load_pem_x509_csr(text.encode()).is_signature_valid else "x509: signature verification failed"
    except ValueError as fault:
        return f"asn1: structure error: {fault}"


def requested_duration(obj: Object, now: float) -> Any:
    seconds = (obj.get("spec") or {}).get("expirationSeconds")
    return NONE if seconds is None else human_duration(seconds)


def state(obj: Object, now: float) -> Any:
    status = obj.get("status") or {}
    types = {c.get("type") for c in status.get("conditions") or ()}
    text = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    text += ",Failed" if "Failed" in types else ""
    return text + (",Issued" if status.get("certificate") else "")


KIND = builtin(
    "certificates.k8s.io/v1",
    "CertificateSigningRequest",
    prepare_create=reset_status,
    prepare_update=prepare_update,
    prepare_status=only_status,
    validate=validate,
    validate_name=path_segment,
    columns=(
        NAME,
        AGE,
        column(
            "SignerName",
            or_else("spec", "signerName", otherwise=NONE),
            "certificates/v1beta1:CertificateSigningRequestSpec.signerName",
        ),
        column("Requestor", reads("spec", "username"), "certificates/v1beta1:CertificateSigningRequestSpec.request"),
        column(
            "RequestedDuration",
            requested_duration,
            "certificates/v1beta1:CertificateSigningRequestSpec.expirationSeconds",
        ),
        column("Condition", state, "certificates/v1beta1:CertificateSigningRequestStatus.conditions"),
    ),
    selectable={"spec.signerName": lambda obj: (obj.get("spec") or {}).get("signerName") or ""},
)
