"""OpenAPI 2 as protobuf, byte for byte as protobuf's wire format has it."""

import pytest

from umiak.api import registry
from umiak.server.contract import Request
from umiak.server.openapi import protobuf
from umiak.server.openapi.routes import PROTOBUF, PROTOBUF_ONCE, V2, Documents
from umiak.testing.clock import VirtualClock


@pytest.mark.parametrize(
    ("obj", "encoded"),
    [
        pytest.param({"type": "string"}, b"\xb2\x01\x08\x0a\x06string", id="type is a message of texts"),
        pytest.param({"$ref": "#/x", "minLength": 0}, b"\x0a\x03#/x", id="zero is not written"),
        pytest.param({"maxLength": 300}, b"\x58\xac\x02", id="long number"),
        pytest.param({"default": {}}, b"\x2a\x05\x12\x03{}\n", id="any value as yaml"),
        pytest.param({"additionalProperties": True}, b"\xaa\x01\x02\x10\x01", id="more properties, or not"),
        pytest.param({"x-a": 1}, b"\xfa\x01\x0b\x0a\x03x-a\x12\x04\x12\x021\n", id="extension"),
    ],
)
def test_schema(obj, encoded):
    assert protobuf.schema(obj) == encoded


def test_properties_are_a_list_of_names():
    inner = b"\x0a\x01p\x12\x03\x22\x01d"
    wanted = b"\xca\x01\x0a\x0a\x08" + inner
    assert protobuf.schema({"properties": {"p": {"description": "d"}}}) == wanted


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (PROTOBUF_ONCE, PROTOBUF),
        (PROTOBUF, PROTOBUF),
        ("application/json, */*", "application/json"),
        ("*/*", "application/json"),
        ("", "application/json"),
        (f"{PROTOBUF_ONCE}, application/json", PROTOBUF),
    ],
)
@pytest.mark.slow
def test_form(accept, media):
    documents = Documents(lambda: [registry.find("v1", "ConfigMap")], VirtualClock())
    found = documents.answer(Request("GET", V2, {}, {"accept": [accept]} if accept else {}))
    assert (found.status, found.type) == (200, media)
    assert b"ConfigMap" in found.body
    assert found.body.startswith(b"{") == (media == "application/json")
