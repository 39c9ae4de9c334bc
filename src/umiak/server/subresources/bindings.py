"""`bindings`: the same as `pods/binding`, with the pod's name in the body alone."""

from umiak.server.part import SubresourceHandlers
from umiak.server.subresources.binding import create

SUBRESOURCE = SubresourceHandlers(name="", of=(("", "bindings"),), methods={"POST": create})
