"""A whole answer to a request, and the answers that say no."""

from typing import Any

import msgspec

from umiak.kit.http.exchange import Headers, Pieces
from umiak.kit.http.server import plain_error
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
GZIP_ABOVE = 128 * 1024
"""Bytes; smaller answers are not worth the time (apiserver's `defaultGzipThresholdBytes`)."""
ACCEPTED_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


class Answer(msgspec.Struct):
    """`type` is the Content-Type, empty for none."""

    status: int
    body: bytes | Pieces
    type: str = JSON
    headers: list[tuple[str, str]] = msgspec.field(default_factory=list)


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, encode(value))


def plain(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode(), TEXT, [("X-Content-Type-Options", "nosniff")])


def page_not_found() -> Answer:
    """For paths that belong to nothing."""
    return plain("404 page not found\n", 404)


def encode(value: Any) -> bytes:
    """One line of JSON, ended by a line feed as Go's encoder does."""
    return msgspec.json.encode(value) + b"\n"


def gzipped(body: bytes | Pieces) -> bytes:
    """At the fastest level, as the reference does. ISA-L is ten times as fast as zlib, and its output is shorter."""
    from isal import isal_zlib

    packer = isal_zlib.compressobj(level=1, wbits=31)
    pieces = body if isinstance(body, Pieces) else (body,)
    return b"".join([*(packer.compress(piece) for piece in pieces), packer.flush()])


def indented(encoded: bytes) -> bytes:
    return msgspec.json.format(encoded, indent=2)


def unheard(status: int, message: str) -> tuple[Headers, bytes]:
    """Answers requests that do not get as far as the API. Of too large bodies kube-apiserver tells with a `Status`, of
    everything else net/http does, in plain text."""
    if status != 413:
        return plain_error(status, message)
    refusal = StatusError(status, "RequestEntityTooLarge", message)
    return [("Content-Type", "application/json")], indented(msgspec.json.encode(refusal.status()))


def success(code: int = 0, details: Object | None = None) -> Object:
    """A `Status` that says yes."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details is not None:
        status["details"] = details
    if code:
        status["code"] = code
    return status


def generic(code: int, reason: str, message: str) -> StatusError:
    """What is answered where no object is known yet: `details` is there, and empty."""
    return StatusError(code, reason, message, {})


def no_such_resource() -> StatusError:
    return generic(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> StatusError:
    return generic(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unprocessable() -> StatusError:
    """A patch that does not fit; the reference keeps the reason to itself."""
    return generic(422, "Invalid", "the server rejected our request due to an error in our request")


def unknown_failure(message: str) -> StatusError:
    """An error that the reference answers without giving it a reason."""
    return StatusError(500, "", message)
