"""What the three reviews of access share: reading the question, judging it, and what may be wrong with it."""

from umiak.api.internal import printed_metadata
from umiak.objects.errors import FieldError, StatusError, invalid, invalid_value
from umiak.objects.types import Object
from umiak.server.contract import Attributes, User
from umiak.server.review import Asked, Judges
from umiak.server.reviews._selectors import evaluation_errors, field_selector, label_selector

GROUP = "authorization.k8s.io"
ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def attributes(user: User, spec: Object) -> Attributes:
    """The question in the words of authorization."""
    if (about := spec.get("resourceAttributes")) is None:
        other = spec.get("nonResourceAttributes") or {}
        return Attributes(user, other.get("verb", ""), path=other.get("path", ""), is_resource=False)
    return Attributes(
        user,
        about.get("verb", ""),
        about.get("group", ""),
        about.get("version") or "*",
        about.get("resource", ""),
        about.get("subresource", ""),
        about.get("namespace", ""),
        about.get("name", ""),
        fields=field_selector(about.get("fieldSelector"))[0],
        labels=label_selector(about.get("labelSelector"))[0],
    )


async def judge(judges: Judges, asked: Asked, user: User) -> Object:
    """The object with the answer."""
    decision = await judges.authorization.authorize(attributes(user, asked.obj.get("spec") or {}))
    status: Object = {"allowed": decision.allowed}
    if decision.denied:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    selectors = evaluation_errors((asked.obj.get("spec") or {}).get("resourceAttributes") or {})
    if trouble := [text for text in (decision.error, selectors) if text]:
        status["evaluationError"] = "; ".join(trouble)
    return {**asked.obj, "status": status}


def subject(spec: Object) -> User:
    """The user that a question is about."""
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", spec.get("uid") or "", tuple(spec.get("groups") or ()), extra)


def spec_faults(spec: Object) -> list[FieldError]:
    """What is wrong with either form of the question."""
    about, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    faults = []
    if (about is None) is (other is None):
        faults.append(invalid_value("spec", _shown(other), ONE_OF))
    return faults


def _shown(other: Object | None) -> Object | None:
    """Non-resource attributes as the reference prints them, by the names of its own fields."""
    return None if other is None else {"Path": other.get("path", ""), "Verb": other.get("verb", "")}


def subject_faults(spec: Object) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [invalid_value("spec.user", spec.get("user") or "", "at least one of user or group must be specified")]


def metadata_faults(obj: Object, allowed: tuple[str, ...] = ()) -> list[FieldError]:
    """A question has no name; `managedFields` are the server's own doing."""
    about = obj.get("metadata") or {}
    if not any(value for field, value in about.items() if field not in ("managedFields", *allowed)):
        return []
    text = "must be empty except for namespace" if allowed else "must be empty"
    return [invalid_value("metadata", printed_metadata(about), text)]


def refuse(faults: list[FieldError]) -> StatusError:
    """The reference forgets the kind here."""
    return invalid(GROUP, "", "", faults)


def local_faults(obj: Object, namespace: str) -> list[FieldError]:
    spec = obj.get("spec") or {}
    faults = []
    if spec.get("resourceAttributes") is not None:
        asked = spec["resourceAttributes"].get("namespace", "")
        if asked != namespace:
            text = "must match metadata.namespace"
            faults.append(invalid_value("spec.resourceAttributes.namespace", asked, text))
    if spec.get("nonResourceAttributes") is not None:
        shown = _shown(spec["nonResourceAttributes"])
        faults.append(invalid_value("spec.nonResourceAttributes", shown, "disallowed on this kind of request"))
    return faults
