"""`pods/exec`: a command in a container, its streams carried to and from the node."""

from umiak.server.call import Call
from umiak.server.connecting import run_in_container
from umiak.server.part import SubresourceHandlers


async def connect(call: Call) -> None:
    await run_in_container(call, "exec", "PodExecOptions")


SUBRESOURCE = SubresourceHandlers(
    name="exec", of=(("", "pods"),), methods={"GET": connect, "POST": connect}, connects=True
)
