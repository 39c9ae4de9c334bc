"""What is said between this server and a conversion webhook (apiextensions' `conversion.webhookConverter`).

Pure: from objects to a ConversionReview, and from what came back to objects, of which only labels and annotations may
differ in their metadata.
"""

from collections.abc import Sequence
from typing import Any

from umiak.api.common.metadata import validate_annotations, validate_labels
from umiak.objects.encoding import copy, to_json
from umiak.objects.errors import FieldError
from umiak.objects.go_text import quoted, type_name
from umiak.objects.types import Object

GROUP = "apiextensions.k8s.io"
VERSIONS = ("v1", "v1beta1")
REVIEW = "ConversionReview"
CHANGEABLE = ("labels", "annotations")
FIXED = (("name", "name"), ("namespace", "namespace"), ("uid", "UID"))
"""Fields of the metadata that no webhook may change, and what the reference calls them."""


class NotConverted(Exception):
    """There is no converted object; the text says why, in the reference's words."""


def kind_text(obj: Object) -> str:
    """`group/version, Kind=kind`, as Go prints it."""
    group, _, version = str(obj.get("apiVersion") or "").rpartition("/")
    return f"{group}/{version}, Kind={obj.get('kind') or ''}"


def version_of(spoken: Sequence[str]) -> str:
    """The first version of the review that both sides speak. Raises NotConverted."""
    for version in spoken:
        if version in VERSIONS:
            return f"{GROUP}/{version}"
    raise NotConverted("no supported conversion review versions")


def question(objects: Sequence[Object], wanted: str, uid: str, version: str) -> Object:
    """`wanted` is the apiVersion that all should have."""
    return {
        "kind": REVIEW,
        "apiVersion": version,
        "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": list(objects)},
        "response": {"uid": "", "convertedObjects": None, "result": {"metadata": {}}},
    }


def answered(said: Object, uid: str, version: str) -> list[Any]:
    """The objects in an answer. Raises NotConverted with the last part of a sentence."""
    if version.endswith("/v1") and (said.get("apiVersion"), said.get("kind")) != (version, REVIEW):
        wanted = kind_text({"apiVersion": version, "kind": REVIEW})
        raise NotConverted(f"expected webhook response of {wanted}, got {kind_text(said)}")
    response = said.get("response")
    if response is None:
        raise NotConverted("no response provided")
    if version.endswith("/v1") and (response.get("uid") or "") != uid:
        raise NotConverted(f"expected response.uid={quoted(uid)}, got {quoted(response.get('uid') or '')}")
    result = response.get("result") or {}
    if (status := result.get("status") or "") != "Success":
        raise NotConverted(result.get("message") or f"response.result.status was '{status}', not 'Success'")
    return response.get("convertedObjects") or []


def accepted(sent: Object, got: Any, wanted: str) -> Object:
    """`got`, the answer to `sent`, with the metadata it may not change put back. Raises NotConverted."""
    told = f"conversion webhook for {kind_text(sent)} returned invalid"
    if not isinstance(got, dict) or not got.get("kind"):
        raise NotConverted(f"Object 'Kind' is missing in '{to_json(got).decode()}'")
    if got.get("apiVersion") != wanted:
        raise NotConverted(f"{told} object at index 0: invalid groupVersion {_differ(wanted, got.get('apiVersion'))}")
    if got["kind"] != sent["kind"]:
        raise NotConverted(f"{told} object at index 0: invalid kind {_differ(sent['kind'], got['kind'])}")
    before, after = sent.get("metadata") or {}, got.get("metadata")
    for field, name in FIXED:
        old, new = before.get(field) or "", after.get(field) or "" if isinstance(after, dict) else ""
        if old != new:
            raise NotConverted(f"{told} object: must have the same {name}: {old} != {new}")
    try:
        return {**got, "metadata": _restored(before, got)}
    except NotConverted as error:
        raise NotConverted(f"{told} metadata: {error}") from None


def _differ(wanted: str, got: str | None) -> str:
    return f"(expected {wanted}, received {got or ''})"


def _restored(before: Object, got: Object) -> Object:
    """The metadata of before, with the labels and annotations of `got`."""
    if "metadata" not in got:
        raise NotConverted("missing metadata in converted object")
    after = got["metadata"]
    if not isinstance(after, dict):
        raise NotConverted(f"invalid metadata of type {type_name(after)} in converted object")
    kept = copy(before)
    for field in CHANGEABLE:
        found = after.get(field)
        if found is None:
            kept.pop(field, None)
        else:
            _check(field, found, before.get(field))
            kept[field] = found
    return kept


def _check(field: str, found: Any, before: Object | None) -> None:
    if not isinstance(found, dict):
        raise NotConverted(f"invalid metadata.{field} of type {type_name(found)} in converted object")
    for key, value in found.items():
        if not isinstance(value, str):
            what = "<nil>" if value is None else type_name(value)
            raise NotConverted(f"metadata.{field}[{key}] must be a string, but is {what} in converted object")
    if found == (before or {}):
        return
    faults: list[FieldError] = []
    if field == "labels":
        validate_labels(found, "metadata.labels", faults)
    else:
        validate_annotations(found, "metadata.annotation", faults)  # so it is called there
    if faults:
        texts = list(dict.fromkeys(map(str, faults)))
        raise NotConverted(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
