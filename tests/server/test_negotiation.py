"""Which form is served for which Accept header (apiserver's negotiate_test.go)."""

import pytest

from umiak.server.negotiation import Media, body_format, negotiate, routable

JSON, YAML = "application/json", "application/yaml"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", Media()),
        ("*/*", Media()),
        (JSON, Media()),
        (YAML, Media(YAML, "yaml")),
        ("application/vnd.kubernetes.protobuf,application/json", Media()),
        ("text/html;q=0.9,application/json;q=0.5", Media()),
        ("application/json;q=0.1,application/yaml", Media(YAML, "yaml")),
        (f"{TABLE},application/json", Media(JSON, "json", "Table", "v1")),
        ("application/json;as=Table;g=meta.k8s.io;v=v9, application/json", Media()),
        ("application/json;pretty=1", Media(pretty=True)),
        ("application/json;stream=watch", Media()),
        ("text/html", None),
        ("application/vnd.kubernetes.protobuf", None),
        ("application/json;as=Table;g=other;v=v1", None),
    ],
)
def test_negotiate(accept, media):
    assert negotiate(accept) == media


@pytest.mark.parametrize(
    ("accept", "is_fine"), [("", True), ("*/*", True), (JSON, True), ("application/*", False), ("text/html", False)]
)
def test_routers_look(accept, is_fine):
    assert routable(accept) is is_fine


@pytest.mark.parametrize(
    ("type_", "form"),
    [("", "json"), (JSON, "json"), ("application/json; charset=utf-8", "json"), (YAML, "yaml"), ("text/plain", None)],
)
def test_bodies(type_, form):
    assert body_format(type_) == form
