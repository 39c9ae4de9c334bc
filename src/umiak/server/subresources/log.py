"""`pods/log`: what a container has written, from its node."""

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from umiak.objects.errors import (
    FieldError,
    StatusError,
    bad_request,
    field_forbidden,
    internal,
    invalid,
    invalid_value,
)
from umiak.server import kubelet, streams, upstream
from umiak.server.answer import Answer, generic
from umiak.server.call import Call
from umiak.server.options import boolean, number
from umiak.server.part import SubresourceHandlers

if TYPE_CHECKING:
    from umiak.kit.http.client import Streamed

NUMBERS = ("sinceSeconds", "tailLines", "limitBytes")
FLAGS = ("follow", "previous", "timestamps")
MOST_OF_AN_ERROR = 50_000


def options(call: Call) -> list[tuple[str, str]]:
    """The options as the node takes them. Raises 400, 422."""
    query = call.request.query
    found = [(name, "true") for name in FLAGS if boolean(query.get(name) or ())]
    numbers = {name: number(call.request.option(name)) for name in NUMBERS if name in query}
    if faults := _faults(numbers, "sinceTime" in query):
        raise invalid("", "PodLogOptions", call.name, faults)
    found += [(name, str(value)) for name, value in numbers.items()]
    if "sinceTime" in query:
        found.append(("sinceTime", call.request.option("sinceTime")))
    return found


def _faults(numbers: dict[str, int], has_since_time: bool) -> list[FieldError]:
    found = []
    if numbers.get("tailLines", 0) < 0:
        found.append(invalid_value("tailLines", numbers["tailLines"], "must be greater than or equal to 0"))
    if numbers.get("limitBytes", 1) < 1:
        found.append(invalid_value("limitBytes", numbers["limitBytes"], "must be greater than 0"))
    if "sinceSeconds" in numbers and has_since_time:
        found.append(field_forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif numbers.get("sinceSeconds", 1) < 1:
        found.append(invalid_value("sinceSeconds", numbers["sinceSeconds"], "must be greater than 0"))
    return found


async def get(call: Call) -> Answer | None:
    from umiak.kit.http.client import HttpError

    asked = options(call)
    pod = await kubelet.pod_of(call)
    container = kubelet.container_of(pod, call.request.option("container"))
    if not pod["spec"].get("nodeName"):
        return Answer(204, b"", "")
    place = await kubelet.place_of_pod(call, pod)
    target = f"/containerLogs/{call.namespace}/{call.name}/{container}"
    target += f"?{urlencode(asked)}" if asked else ""
    try:
        answer = await call.app.upstreams.client(place).stream("GET", target)
    except HttpError as error:
        raise internal(f"error dialing backend: {error}") from None
    async with answer:
        if not 200 <= answer.status <= 206:
            raise refusal(answer.status, (await answer.read())[:MOST_OF_AN_ERROR].decode(errors="replace"))
        await (_send(call, answer) if streams.is_websocket(call) else _copy(call, answer))
    return None


async def _send(call: Call, answer: "Streamed") -> None:
    from umiak.kit.http.client import HttpError

    with contextlib.suppress(HttpError):  # the node is gone; the closing of the WebSocket tells
        await streams.as_messages(call, answer)


async def _copy(call: Call, answer: "Streamed") -> None:
    headers = [*call.app.common_headers(call), ("Content-Type", "text/plain")]
    await upstream.copy(answer, call.exchange.start(200, headers))


def refusal(status: int, text: str) -> StatusError:
    """The node's refusal in the words of apiserver's GenericHttpResponseChecker."""
    if status == 500:
        return internal(text)
    if status == 400:
        return bad_request(text)
    return generic(status, "NotFound" if status == 404 else "InternalError", text)


SUBRESOURCE = SubresourceHandlers(name="log", of=(("", "pods"),), methods={"GET": get}, connects=True)
