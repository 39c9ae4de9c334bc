"""The one error family of the Kubernetes API, and the causes that validation collects.

Texts and codes are those of apimachinery's `api/errors` and `util/validation/field`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from umiak.objects.types import Object


class StatusError(Exception):
    """An answer other than success, as `metav1.Status` carries it over the wire.

    `code` is the HTTP status, `reason` the machine-readable word, `details` what the Status says of the object.
    """

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    @property
    def retry_after(self) -> int:
        """Seconds the server asked to wait, 0 when it did not."""
        return int((self.details or {}).get("retryAfterSeconds", 0))

    def status(self) -> Object:
        """The `Status` object to send."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body

    @classmethod
    def from_status(cls, status: Object, code: int = 500) -> "StatusError":
        """Reads an error back from a `Status` object; `code` when it carries none."""
        message = str(status.get("message", ""))
        return cls(int(status.get("code") or code), str(status.get("reason", "")), message, status.get("details"))


def qualified(resource: str, group: str) -> str:
    """`deployments.apps`, or `pods` for the core group."""
    return f"{resource}.{group}" if group else resource


def _details(group: str, kind: str, name: str, **more: Any) -> Object:
    details: Object = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return {**details, **more}


def not_found(group: str, resource: str, name: str) -> StatusError:
    message = f'{qualified(resource, group)} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(group, resource, name))


def already_exists(group: str, resource: str, name: str) -> StatusError:
    message = f'{qualified(resource, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(group, resource, name))


def conflict(group: str, resource: str, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(group, resource, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, resource: str, name: str, why: str) -> StatusError:
    subject = (
        f'{qualified(resource, group)} "{name}" is forbidden' if name else f"{qualified(resource, group)} is forbidden"
    )
    return StatusError(403, "Forbidden", f"{subject}: {why}", _details(group, resource, name))


def method_not_supported(group: str, resource: str, action: str) -> StatusError:
    message = f'{action} is not supported on resources of kind "{qualified(resource, group)}"'
    return StatusError(405, "MethodNotAllowed", message, _details(group, resource, ""))


def expired(message: str) -> StatusError:
    return StatusError(410, "Expired", message)


def too_many_requests(message: str, retry_after: int) -> StatusError:
    return StatusError(429, "TooManyRequests", message, {"retryAfterSeconds": retry_after})


def internal(message: str) -> StatusError:
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)


class FieldError(msgspec.Struct, frozen=True):
    """One fault found by validation. `type` is the cause's reason, as in `FieldValueRequired`."""

    type: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class _Absent:
    """Stands for "no value to show"; None is a value and prints as null."""


ABSENT = _Absent()


def shown(value: Any) -> str:
    """A value as field errors print it: strings quoted, objects and lists as JSON."""
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, bool) or value is None or isinstance(value, int | float | dict | list):
        return msgspec.json.encode(value).decode()
    return str(value)


def required(path: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value")


def invalid_value(path: str, value: Any, detail: str) -> FieldError:
    text = f"Invalid value: {shown(value)}"
    return FieldError("FieldValueInvalid", path, f"{text}: {detail}" if detail else text)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """`supported` is printed in the order given, quoted."""
    names = ", ".join(shown(s) for s in supported)
    text = f"Unsupported value: {shown(value)}"
    return FieldError("FieldValueNotSupported", path, f"{text}: supported values: {names}" if names else text)


def duplicate(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {shown(value)}")


def field_forbidden(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", path, f"Forbidden: {detail}")


def too_long(path: str, limit: int) -> FieldError:
    unit = "byte" if limit == 1 else "bytes"
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} {unit}")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    unit = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", path, f"Too many: {actual}: must have at most {limit} {unit}")


def field_not_found(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", path, f"Not found: {shown(value)}")


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", path, f"Invalid value: {shown(value)}: {detail}")


def together(faults: Iterable[object]) -> str:
    """Several faults as one text, each once."""
    unique = list(dict.fromkeys(map(str, faults)))
    return unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]"


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422 for an object whose fields are wrong; one cause per error, the message joins them."""
    unique = list(dict.fromkeys(map(str, errors)))
    joined = unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]"
    message = (
        f'{qualified(kind, group)} "{name}" is invalid: {joined}'
        if errors
        else f'{qualified(kind, group)} "{name}" is invalid'
    )
    causes = [{"reason": e.type, "message": e.message, "field": e.path} for e in errors]
    return StatusError(422, "Invalid", message, _details(group, kind, name, **({"causes": causes} if causes else {})))
