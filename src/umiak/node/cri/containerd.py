"""containerd's own event stream, for releases whose CRI has none (before 1.7).

Only that something happened is of interest, so the messages are made here of the few fields that are read
(containerd's api/services/events/v1: SubscribeRequest and Envelope).
"""

from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from umiak.node.cri.channel import Channel

SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
FILTERS = ('namespace==k8s.io,topic=="/tasks/exit"', 'namespace==k8s.io,topic=="/tasks/oom"')


@cache
def _messages() -> tuple[Any, Any]:
    """The classes of the request and of one event."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    file = FileDescriptorProto(name="events.proto", package="umiak.containerd", syntax="proto3")
    request = file.message_type.add(name="Subscribe")
    request.field.add(
        name="filters",
        number=1,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_REPEATED,
    )
    event = file.message_type.add(name="Envelope")
    event.field.add(
        name="topic",
        number=3,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
    pool = DescriptorPool()
    pool.Add(file)
    found = [GetMessageClass(pool.FindMessageTypeByName(f"umiak.containerd.{n}")) for n in ("Subscribe", "Envelope")]
    return found[0], found[1]


async def events(channel: Channel) -> AsyncIterator[str]:
    """An empty string for each exit of a process; raises Unsupported when this is not containerd."""
    request, reply = _messages()
    async for _ in channel.stream(SUBSCRIBE, request(filters=FILTERS), reply):
        yield ""
