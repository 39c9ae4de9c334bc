"""Which form is served for which Accept header (apiserver's negotiate_test.go)."""

import pytest

from umiak.server.negotiation import CUSTOM, FAILURE, Media, body_format, negotiate, routable

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PARTIAL = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", Media()),
        ("*/*", Media()),
        (JSON, Media()),
        (YAML, Media(YAML, "yaml")),
        (PROTOBUF, Media(PROTOBUF, "protobuf")),
        (f"{PROTOBUF},{JSON}", Media(PROTOBUF, "protobuf")),
        (f"{PROTOBUF};q=0.5,{JSON};q=0.8", Media()),
        (f"{PROTOBUF};stream=watch", Media(PROTOBUF, "protobuf")),
        (f"{PROTOBUF};stream=tail,{JSON}", Media()),
        (f"{YAML};stream=watch", None),
        (f"{PROTOBUF};{PARTIAL},{JSON}", Media(PROTOBUF, "protobuf", "PartialObjectMetadata", "v1")),
        (f"{TABLE.replace(JSON, PROTOBUF)},{JSON}", Media()),
        (TABLE.replace(JSON, PROTOBUF), None),
        ("text/html;q=0.9,application/json;q=0.5", Media()),
        ("application/json;q=0.1,application/yaml", Media(YAML, "yaml")),
        (f"{TABLE},application/json", Media(JSON, "json", "Table", "v1")),
        ("application/json;as=Table;g=meta.k8s.io;v=v9, application/json", Media()),
        ("application/json;pretty=1", Media(pretty=True)),
        ("application/json;stream=watch", Media()),
        ("text/html", None),
        ("application/json;as=Table;g=other;v=v1", None),
    ],
)
def test_negotiate(accept, media):
    assert negotiate(accept) == media


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (PROTOBUF, None),
        (f"{PROTOBUF},{JSON}", Media()),
        (f"{PROTOBUF};{PARTIAL}", Media(PROTOBUF, "protobuf", "PartialObjectMetadata", "v1")),
    ],
)
def test_custom_resources_have_no_message_but_their_metadata_has(accept, media):
    assert negotiate(accept, CUSTOM) == media


@pytest.mark.parametrize(
    ("accept", "media"),
    [(PROTOBUF, Media(PROTOBUF, "protobuf")), (f"{TABLE},{YAML}", Media(YAML, "yaml")), (TABLE, None)],
)
def test_failures_are_converted_to_nothing(accept, media):
    assert negotiate(accept, FAILURE) == media


@pytest.mark.parametrize(
    ("accept", "is_fine"),
    [("", True), ("*/*", True), (JSON, True), (PROTOBUF, True), ("application/*", False), ("text/html", False)],
)
def test_routers_look(accept, is_fine):
    assert routable(accept) is is_fine


@pytest.mark.parametrize(
    ("type_", "form"),
    [("", "json"), (JSON, "json"), ("application/json; charset=utf-8", "json"), (YAML, "yaml"), ("text/plain", None)],
)
def test_bodies(type_, form):
    assert body_format(type_) == form
