"""What an answer other than 2xx means: its Status, or what client-go makes of one without."""

from typing import Any

import msgspec

from umiak.client.contract import Response
from umiak.objects.errors import StatusError

_GENERIC = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    403: ("Forbidden", ""),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    406: ("NotAcceptable", "the server was unable to respond with a content type that the client supports"),
    409: ("Conflict", "the server reported a conflict"),
    415: ("UnsupportedMediaType", ""),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: (
        "Timeout",
        "the server was unable to return a response in the time allotted, but may still be processing the request",
    ),
}
"""Reason and message for answers without a Status, as apimachinery's NewGenericServerResponse gives them."""


def error_of(response: Response, method: str = "GET", target: str = "") -> StatusError:
    """The error that an answer other than 2xx stands for; `target` is what was asked for, path and query."""
    try:
        status: Any = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        status = None
    error = _generic(response, method, target)
    if isinstance(status, dict) and status.get("kind") == "Status":
        error = StatusError.from_status(status, response.status)
    after = response.headers.get("retry-after", "")
    if after.isdigit() and not error.retry_after:
        error.details = {**(error.details or {}), "retryAfterSeconds": int(after)}
    return error


def _asked_for(target: str) -> tuple[str, str, str]:
    """(group, resource, name) in a path of the API, each "" when it is not there."""
    parts = target.partition("?")[0].strip("/").split("/")
    if parts[0] not in ("api", "apis"):
        return "", "", ""
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1] if parts[1:] else "", parts[3:])
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    return group, rest[0] if rest else "", rest[1] if rest[1:] else ""


def _generic(response: Response, method: str, target: str) -> StatusError:
    said = response.body.decode(errors="replace").strip() or "unknown"
    code = response.status
    if code in _GENERIC:
        reason, message = _GENERIC[code]
    elif code >= 500:
        quoted = msgspec.json.encode(said).decode()
        reason, message = (
            "InternalError",
            f"an error on the server ({quoted}) has prevented the request from succeeding",
        )
    else:
        reason = ""
        message = f"the server responded with the status code {code} but did not return more information"
    if code == 409 and method == "POST":
        reason = "AlreadyExists"
    group, resource, name = _asked_for(target)
    if not resource:
        return StatusError(code, reason, message or said)
    wanted = " ".join(filter(None, (method.lower(), f"{resource}.{group}" if group else resource, name)))
    details = {k: v for k, v in {"group": group, "kind": resource, "name": name}.items() if v}
    return StatusError(code, reason, f"{message or said} ({wanted})", details)
