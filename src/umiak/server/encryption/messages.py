"""Messages of the KMS v2 interface and of what is stored with it, described here: they are few and small."""

from functools import cache
from typing import Any

BYTES, TEXT, NUMBER, MAP = "TYPE_BYTES", "TYPE_STRING", "TYPE_INT32", "map"
MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "StatusRequest": {},
    "StatusResponse": {"version": (1, TEXT), "healthz": (2, TEXT), "key_id": (3, TEXT)},
    "DecryptRequest": {"ciphertext": (1, BYTES), "uid": (2, TEXT), "key_id": (3, TEXT), "annotations": (4, MAP)},
    "DecryptResponse": {"plaintext": (1, BYTES)},
    "EncryptRequest": {"plaintext": (1, BYTES), "uid": (2, TEXT)},
    "EncryptResponse": {"ciphertext": (1, BYTES), "key_id": (2, TEXT), "annotations": (3, MAP)},
    "EncryptedObject": {
        "encryptedData": (1, BYTES),
        "keyID": (2, TEXT),
        "encryptedDEKSource": (3, BYTES),
        "annotations": (4, MAP),
        "encryptedDEKSourceType": (5, NUMBER),
    },
}
"""Name to field names to (number, type); maps are of texts to bytes."""


@cache
def _pool() -> Any:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    file = FileDescriptorProto(name="kms.proto", package="v2", syntax="proto3")
    for name, fields in MESSAGES.items():
        described = file.message_type.add(name=name)
        for field, (number, type_) in fields.items():
            _describe(described, name, field, number, type_)
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def _describe(message: Any, name: str, field: str, number: int, type_: str) -> None:
    if type_ != MAP:
        message.field.add(name=field, number=number, type=type_, label="LABEL_OPTIONAL")
        return
    pair = f"{field.capitalize()}Entry"
    nested = message.nested_type.add(name=pair)
    nested.options.map_entry = True
    nested.field.add(name="key", number=1, type=TEXT, label="LABEL_OPTIONAL")
    nested.field.add(name="value", number=2, type=BYTES, label="LABEL_OPTIONAL")
    message.field.add(
        name=field, number=number, type="TYPE_MESSAGE", type_name=f".v2.{name}.{pair}", label="LABEL_REPEATED"
    )


@cache
def message(name: str) -> Any:
    """The class of a message."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(_pool().FindMessageTypeByName(f"v2.{name}"))
