"""What is to go wrong, for tests of how a client copes: refusals, slow answers, broken connections."""

from http import HTTPStatus

import msgspec

from umiak.objects import errors
from umiak.objects.errors import StatusError
from umiak.testing.embedded.requests import Asked, Filter

MESSAGE = "this failure was asked for by the test"


class Fault(msgspec.Struct, eq=False):
    """Befalls the next `times` requests that `which` matches, or all of them when that is None.

    First `delay` seconds pass; then the connection breaks, or the answer is `status`, or (0) all goes on as usual.
    """

    which: Filter
    status: int = 0
    delay: float = 0.0
    breaks: bool = False
    times: int | None = None
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """Those in force, in the order of their making; of several that match the first befalls."""

    def __init__(self) -> None:
        self._all: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._all.append(fault)

    def remove(self, fault: Fault) -> None:
        if fault in self._all:
            self._all.remove(fault)

    def clear(self) -> None:
        self._all.clear()

    def next_for(self, request: Asked) -> Fault | None:
        found = next((f for f in self._all if not f.is_spent and f.which.matches(request)), None)
        if found is not None:
            found.hits += 1
        return found


def error_of(status: int, request: Asked) -> StatusError:
    """A refusal as the server words it."""
    if status == HTTPStatus.CONFLICT:
        return errors.conflict(request.group, request.resource, request.name, errors.MODIFIED)
    if status == HTTPStatus.NOT_FOUND:
        return errors.not_found(request.group, request.resource, request.name)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return errors.too_many_requests("too many requests, please try again later", 1)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.internal(MESSAGE)
    try:
        reason = HTTPStatus(status).phrase.title().replace(" ", "")
    except ValueError:
        reason = ""
    return StatusError(status, reason, MESSAGE)
