"""What is said between this server and a webhook: an AdmissionReview there and one back. Pure.

Source: apiserver's `pkg/admission/plugin/webhook/request/admissionreview.go` and `errors/statuserror.go`.
"""

import base64
import binascii
from typing import Any

import msgspec

from umiak.objects.errors import StatusError
from umiak.objects.go_text import quoted
from umiak.objects.types import Object
from umiak.server.contract import Admitted
from umiak.server.webhooks.matching import Target, name_of, namespace_of, target_of

VERSIONS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")


class Unintelligible(Exception):
    """A webhook's answer breaks the protocol; the text says how."""


class Verdict(msgspec.Struct, frozen=True):
    """`patch` is JSON that holds a JSON patch, empty when there is none; `result` a Status, of a refusal."""

    allowed: bool
    result: Object = msgspec.field(default_factory=dict)
    patch: bytes = b""
    warnings: tuple[str, ...] = ()
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


def version_of(webhook: Object) -> str:
    """The newest form that both sides know."""
    known = webhook.get("admissionReviewVersions") or ()
    return next(f"admission.k8s.io/{v}" for v in known if f"admission.k8s.io/{v}" in VERSIONS)


class Seen(msgspec.Struct, frozen=True):
    """The object as a webhook sees it: in its own kind, or in another version of it. Kinds are group, version, kind."""

    kind: Object
    own_kind: Object
    new: Object | None
    old: Object | None


def question(request: Admitted, target: Target, seen: Seen, uid: str, api_version: str) -> Object:
    user = request.attributes.user
    own = target_of(request)
    described = {
        "uid": uid,
        "kind": seen.kind,
        "resource": {"group": target.group, "version": target.version, "resource": target.resource},
        "subResource": target.subresource,
        "requestKind": seen.own_kind,
        "requestResource": {"group": own.group, "version": own.version, "resource": own.resource},
        "requestSubResource": own.subresource,
        "name": name_of(request),
        "namespace": namespace_of(request),
        "operation": request.operation,
        "userInfo": user_info(user.name, user.uid, user.groups, user.extra),
        "object": seen.new,
        "oldObject": seen.old,
        "dryRun": request.dry_run,
        "options": request.options or None,
    }
    optional = ("subResource", "requestSubResource", "name", "namespace")
    kept = {name: value for name, value in described.items() if value or name not in optional}
    return {"kind": "AdmissionReview", "apiVersion": api_version, "request": kept}


def user_info(name: str, uid: str, groups: Any, extra: Any) -> Object:
    found: Object = {"username": name, "uid": uid, "groups": list(groups)}
    if extra:
        found["extra"] = {key: list(values) for key, values in extra.items()}
    return {key: value for key, value in found.items() if value}


def answer(review: Any, uid: str, api_version: str, may_patch: bool) -> Verdict:
    """Raises Unintelligible."""
    response = review.get("response") if isinstance(review, dict) else None
    if not isinstance(response, dict):
        raise Unintelligible("webhook response was absent")
    if api_version == VERSIONS[0]:
        _check_form(review, response, uid)
        _check_patch(response, may_patch)
    elif review.get("apiVersion") != api_version:
        raise Unintelligible(f"expected webhook response of {api_version}, got {review.get('apiVersion')}")
    return Verdict(
        bool(response.get("allowed")),
        response.get("status") or {},
        _decoded(response.get("patch") or "") if may_patch else b"",
        tuple(response.get("warnings") or ()),
        response.get("auditAnnotations") or {},
    )


def _check_form(review: Object, response: Object, uid: str) -> None:
    if response.get("uid") != uid:
        raise Unintelligible(f"expected response.uid={quoted(uid)}, got {quoted(str(response.get('uid') or ''))}")
    found = (review.get("apiVersion"), review.get("kind"))
    if found != (VERSIONS[0], "AdmissionReview"):
        wanted = f"{VERSIONS[0]}, Kind=AdmissionReview"
        raise Unintelligible(f"expected webhook response of {wanted}, got {found[0] or '/'}, Kind={found[1] or ''}")


def _check_patch(response: Object, may_patch: bool) -> None:
    patch, kind = response.get("patch"), response.get("patchType")
    if not may_patch:
        for name, value in (("patch", patch or None), ("patchType", kind)):
            if value is not None:
                raise Unintelligible(f"validating webhook may not return response.{name}")
        return
    if patch and kind is None:
        raise Unintelligible("webhook returned response.patch but not response.patchType")
    if not patch and kind is not None:
        raise Unintelligible("webhook returned response.patchType but not response.patch")
    if kind == "":
        raise Unintelligible('webhook returned invalid response.patchType of ""')
    if kind not in (None, "JSONPatch"):
        raise Unintelligible(f"unsupported patch type {quoted(kind)}")


def _decoded(patch: str) -> bytes:
    try:
        return base64.b64decode(patch, validate=True)
    except binascii.Error as error:
        raise Unintelligible(f"illegal base64 data: {error}") from None


def refusal(name: str, result: Object) -> StatusError:
    """The webhook's own status, never one of success."""
    said = result.get("message") or result.get("reason")
    denied = f"admission webhook {quoted(name)} denied the request"
    message = f"{denied}: {said}" if said else f"{denied} without explanation"
    code = result.get("code") or 0
    return StatusError(code if code >= 400 else 400, result.get("reason") or "", message, result.get("details"))
