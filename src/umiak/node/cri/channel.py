"""One gRPC connection over a unix socket; gRPC's errors become RuntimeFailure here and nowhere else."""

from collections.abc import AsyncIterator
from typing import Any

from umiak.node.runtime import Missing, RuntimeFailure, TimedOut, Unreachable, Unsupported

_BY_CODE = {
    "NOT_FOUND": Missing,
    "UNIMPLEMENTED": Unsupported,
    "UNAVAILABLE": Unreachable,
    "DEADLINE_EXCEEDED": TimedOut,
}


def socket_path(endpoint: str) -> str:
    """The path in `unix:///run/x.sock`, or of a plain path; ValueError for any other kind of address."""
    path = endpoint.removeprefix("unix://")
    if not path.startswith("/"):
        raise ValueError(f"container runtime endpoint {endpoint!r} is not a unix socket")
    return path


def code_name(code: str) -> str:
    """`ALREADY_EXISTS` as Go prints it: `AlreadyExists`."""
    return "OK" if code == "OK" else "".join(word.capitalize() for word in code.split("_"))


def failure(error: BaseException) -> RuntimeFailure:
    """What a gRPC library's exception means for us."""
    from grpclib.exceptions import GRPCError

    if isinstance(error, GRPCError):
        name, text = error.status.name, error.message or ""
        return _BY_CODE[name](text) if name in _BY_CODE else RuntimeFailure(text, code_name(name))
    if isinstance(error, TimeoutError):
        return TimedOut()
    return Unreachable(f"connection to the container runtime failed: {error}")


class Channel:
    """Calls methods of one gRPC server; connects on the first call, and again when the connection was lost."""

    def __init__(self, endpoint: str) -> None:
        self.path = socket_path(endpoint)
        self._channel: Any = None

    def _open(self) -> Any:
        if self._channel is None:
            from grpclib.client import Channel as GrpcChannel

            self._channel = GrpcChannel(path=self.path)
        return self._channel

    def _request(self, method: str, request: Any, reply: Any, timeout: float | None, streams: bool) -> Any:
        from grpclib.const import Cardinality

        shape = Cardinality.UNARY_STREAM if streams else Cardinality.UNARY_UNARY
        return self._open().request(method, shape, type(request), reply, timeout=timeout)

    async def call(self, method: str, request: Any, reply: Any, timeout: float | None) -> Any:
        """One question, one answer, within `timeout` seconds."""
        from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

        try:
            async with self._request(method, request, reply, timeout, streams=False) as stream:
                await stream.send_message(request, end=True)
                return await stream.recv_message()
        except (GRPCError, ProtocolError, StreamTerminatedError, OSError, TimeoutError) as error:
            raise failure(error) from error

    async def stream(self, method: str, request: Any, reply: Any) -> AsyncIterator[Any]:
        """One question, answers without end."""
        from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

        try:
            async with self._request(method, request, reply, None, streams=True) as stream:
                await stream.send_message(request, end=True)
                async for answer in stream:
                    yield answer
        except (GRPCError, ProtocolError, StreamTerminatedError, OSError, TimeoutError) as error:
            raise failure(error) from error

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
