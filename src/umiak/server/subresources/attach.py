"""`pods/attach`: the streams of a container's own process."""

from umiak.server.call import Call
from umiak.server.connecting import run_in_container
from umiak.server.part import SubresourceHandlers


async def connect(call: Call) -> None:
    await run_in_container(call, "attach", "PodAttachOptions")


SUBRESOURCE = SubresourceHandlers(
    name="attach", of=(("", "pods"),), methods={"GET": connect, "POST": connect}, connects=True
)
