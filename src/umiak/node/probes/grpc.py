"""Asks by the gRPC health protocol (grpc.health.v1.Health/Check).

Both messages have one field each, so they are written and read here by hand.
"""

import asyncio
from typing import Any

from umiak.node.probes.http import join_host_port
from umiak.node.probes.outcome import Outcome
from umiak.objects.types import Object

METHOD = "/grpc.health.v1.Health/Check"
STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


class _Bytes(bytes):
    """A message that is its own encoding."""


class _Codec:
    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> Any:
        return _Bytes(data)


def request(service: str) -> bytes:
    """HealthCheckRequest{service = 1}; a name is shorter than 128 bytes per length byte here, 16383 at most."""
    name = service.encode()
    if not name:
        return b""
    length = bytes([len(name)]) if len(name) < 128 else bytes([len(name) & 127 | 128, len(name) >> 7])
    return b"\x0a" + length + name


def status(reply: bytes) -> str:
    """HealthCheckResponse{status = 1}."""
    value = reply[1] if len(reply) > 1 and reply[0] == 8 else 0
    return STATUSES.get(value, str(value))


async def probe(action: Object, pod_ip: str, timeout: float) -> Outcome:
    where = join_host_port(pod_ip, action["port"])
    try:
        async with asyncio.timeout(timeout):
            reply = await _check(pod_ip, action["port"], request(action.get("service") or ""))
    except TimeoutError:
        return Outcome(
            False, f'timeout: failed to connect service "{where}" within {timeout:g}s: context deadline exceeded'
        )
    except OSError as error:
        return Outcome(False, f'error: failed to connect service at "{where}": {error}')
    except RuntimeError as error:
        return Outcome(False, str(error))
    found = status(reply)
    return Outcome(True) if found == "SERVING" else Outcome(False, f'service unhealthy (responded with "{found}")')


async def _check(host: str, port: int, message: bytes) -> bytes:
    from grpclib.client import Channel
    from grpclib.const import Cardinality
    from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

    channel = Channel(host, port, codec=_Codec())  # type: ignore[arg-type]
    try:
        async with channel.request(METHOD, Cardinality.UNARY_UNARY, _Bytes, _Bytes) as stream:
            await stream.send_message(_Bytes(message), end=True)
            return await stream.recv_message() or b""
    except GRPCError as error:
        if error.status.name == "UNIMPLEMENTED":
            known = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            raise RuntimeError(f"{known}: {error.message}") from error
        code = "".join(w.capitalize() for w in error.status.name.split("_"))
        raise RuntimeError(
            f"error: health rpc probe failed: rpc error: code = {code} desc = {error.message}"
        ) from error
    except (ProtocolError, StreamTerminatedError) as error:
        raise RuntimeError(f"error: health rpc probe failed: {error}") from error
    finally:
        channel.close()
