"""The CRI v1 message classes, made from `api.bin` (see scripts/compile-cri) when first asked for."""

from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "runtime.v1"


@cache
def _pool() -> Any:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.descriptor_pool import DescriptorPool

    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(Path(__file__).with_name("api.bin").read_bytes()).file:
        pool.Add(file)
    return pool


@cache
def message(name: str) -> Any:
    """The class of a CRI message, e.g. `message("VersionRequest")`."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def enum(name: str) -> Any:
    """The descriptor of a CRI enum."""
    return _pool().FindEnumTypeByName(f"{PACKAGE}.{name}")
