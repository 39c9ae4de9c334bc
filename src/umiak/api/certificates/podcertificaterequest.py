"""PodCertificateRequest: a node asks for a certificate of a pod."""

from typing import Any

from umiak.api.common.cells import NAME, column, reads, shows_labels
from umiak.api.common.checks import Errors, check
from umiak.api.common.signers import signer_name
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, too_long
from umiak.objects.types import Object

_SHORTEST, _LONGEST = 3600, 7862400
_LONGEST_OF_OUR_OWN = 86400
_UID = 128
_KEYS = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("maxExpirationSeconds") is None:
        spec["maxExpirationSeconds"] = 86400


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    signer = spec.get("signerName") or ""
    signer_name(signer, "spec.signerName", errors)
    for who in ("pod", "serviceAccount", "node"):
        check(names.dns_subdomain, spec.get(f"{who}Name") or "", f"spec.{who}Name", errors)
        uid = spec.get(f"{who}UID") or ""
        if not uid:
            errors.append(invalid_value(f"spec.{who}UID", uid, "must not be empty"))
        elif len(uid) > _UID:
            errors.append(too_long(f"spec.{who}UID", _UID))
    longest = _LONGEST_OF_OUR_OWN if signer.startswith("kubernetes.io/") else _LONGEST
    seconds = spec["maxExpirationSeconds"]
    if not _SHORTEST <= seconds <= longest:
        text = f"must be in the range [{_SHORTEST}, {longest}]"
        errors.append(invalid_value("spec.maxExpirationSeconds", seconds, text))
    key, proof = spec.get("pkixPublicKey"), spec.get("proofOfPossession")
    if bool(spec.get("stubPKCS10Request")) == bool(key or proof) or bool(key) != bool(proof):
        # The reference prints the text as the value.
        errors.append(FieldError("FieldValueInvalid", "spec", f"Invalid value: {_KEYS}"))
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    if new.get("spec") == old.get("spec"):
        return []
    return [field_forbidden("spec", "updates to podcertificaterequest spec are forbidden after creation")]


def state(obj: Object, now: float) -> Any:
    """The last of its verdicts."""
    found = [c.get("type") for c in (obj.get("status") or {}).get("conditions") or ()]
    return next((t for t in reversed(found) if t in ("Issued", "Denied", "Failed")), "Pending")


_SPEC = "PodCertificateRequestSpec"

KIND = builtin(
    "certificates.k8s.io/v1",
    "PodCertificateRequest",
    default=default,
    validate=validate,
    validate_update=validate_update,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    columns=(
        NAME,
        column("PodName", reads("spec", "podName"), f"{_SPEC}.podName"),
        column("ServiceAccountName", reads("spec", "serviceAccountName"), f"{_SPEC}.serviceAccountName"),
        column("NodeName", reads("spec", "nodeName"), f"{_SPEC}.nodeName"),
        column("SignerName", reads("spec", "signerName"), f"{_SPEC}.signerName"),
        column("State", state, "Is the request Pending, Issued, Denied, or Failed?"),
        column(
            "UnverifiedUserAnnotations",
            shows_labels("spec", "unverifiedUserAnnotations"),
            f"{_SPEC}.unverifiedUserAnnotations",
        ),
    ),
    selectable={
        "spec.signerName": lambda obj: (obj.get("spec") or {}).get("signerName") or "",
        "spec.podName": lambda obj: (obj.get("spec") or {}).get("podName") or "",
        "spec.nodeName": lambda obj: (obj.get("spec") or {}).get("nodeName") or "",
    },
    updates_unconditionally=False,
)
