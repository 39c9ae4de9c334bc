"""What a fuzzer aims at: one function per parser. Each takes any bytes and raises only when something is wrong.

An input that the parser refuses in its own words is fine. What is not: any other exception, an answer that differs
from the one a second way gives, or taking long. `test_targets` runs them for a moment, `scripts/fuzz` for as long as
one likes. A new target is one more function here that ends in `(data: bytes) -> None`, and a folder in `corpus`.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote

import grown
import msgspec
from inside import Inside
from wire import MemoryTransport

from umiak.api import protobuf, registry
from umiak.kit import spdy
from umiak.kit.clock import RealClock
from umiak.kit.http.connection import Connection
from umiak.kit.http.exchange import Exchange, HttpRequest
from umiak.kit.http.server import Limits, Server, plain_error
from umiak.objects import cron, encoding, fieldset, json_syntax, jsonpath, quantity, selectors, yaml_reader
from umiak.objects.cel import declared
from umiak.objects.cel.environment import Environment
from umiak.objects.cel.errors import CompileError, CostExceeded, EvaluationError, InstantiationError
from umiak.objects.cel.program import Budget
from umiak.objects.go_regexp import InvalidPattern
from umiak.objects.linear_regexp import Matcher
from umiak.server import route
from umiak.server.contract import Request

Target = Callable[[bytes], None]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


# Formats


def json(data: bytes) -> None:
    """Accepts exactly what Go's scanner accepts, and reads back what it wrote."""
    try:
        value = encoding.from_json(data)
    except encoding.Unreadable as error:
        assert json_syntax.fault(data) or "cannot unmarshal number" in str(error), "refused without a fault"
        return
    assert not json_syntax.fault(data), "accepted in spite of a fault"
    if "inf" not in repr(value):  # numbers beyond float64, which JSON cannot write
        assert encoding.from_json(encoding.to_json(value)) == value


def yaml(data: bytes) -> None:
    """What is read can be written and read again."""
    try:
        values = encoding.documents(data)
    except encoding.Unreadable:
        return
    for value in values:
        assert yaml_reader.read(encoding.to_yaml(value))[0] == value
        encoding.to_json(value)


def protobuf_body(data: bytes) -> None:
    """The bytes are an envelope's content or a whole body; what is read is the same once it was written."""
    name, _, content = data.partition(b"\n")
    for body in (data, protobuf.wrapped("v1", "Pod", data), protobuf.wrapped("v1", _text(name), content)):
        try:
            obj = protobuf.decode(body)
        except protobuf.Malformed:
            continue
        if protobuf.message_of(obj["apiVersion"] or "v1", obj["kind"]):
            _same_as_bytes(obj)


def _same_as_bytes(obj: Any) -> None:
    once = protobuf.encode(obj)
    assert protobuf.encode(protobuf.decode(once)) == once


# Selectors and other short languages


def label_selector(data: bytes) -> None:
    """The canonical text says the same."""
    try:
        found = selectors.parse_labels(_text(data))
    except selectors.InvalidSelector:
        return
    for labels in ({}, {"a": "b"}, {"a": "", "b/c": "10"}):
        assert found.matches(labels) == selectors.parse_labels(str(found)).matches(labels)


def field_selector(data: bytes) -> None:
    """Whoever is let in because of the one name he asks for gets no other: both read the selector alike."""
    text = _text(data)
    name = route.exact_name(text)
    try:
        found = selectors.parse_fields(text)
    except selectors.InvalidSelector:
        assert not name
        return
    if name:
        assert selectors.FieldRequirement("metadata.name", False, name) in found


def path(data: bytes) -> None:
    """Authorization and dispatch see the parts of one and the same path."""
    method, _, target = _text(data).partition(" ")
    found = route.route(Request(method, target.partition("?")[0], {}, {}))
    assert "/" not in found.name + found.namespace + found.resource + found.subresource


def jsonpath_text(data: bytes) -> None:
    with contextlib.suppress(jsonpath.InvalidPath, jsonpath.NotFound):
        jsonpath.Path(_text(data)).find({"a": [{"b": 1}, {"b": "x"}], "c": {"d": None}})


def amount(data: bytes) -> None:
    """The canonical text of a quantity is canonical, and as much; beyond E the reference, too, loses the suffix."""
    try:
        text = quantity.canonical(_text(data))
        if abs(quantity.parse(_text(data)).as_float()) >= 2**63:
            return
    except quantity.InvalidQuantity:
        return
    assert quantity.canonical(text) == text
    assert quantity.parse(text) == quantity.parse(_text(data))


def schedule(data: bytes) -> None:
    from datetime import UTC, datetime

    with contextlib.suppress(cron.InvalidSchedule):
        cron.parse(_text(data)).next(datetime(2026, 2, 28, 23, 59, tzinfo=UTC))


def managed_fields(data: bytes) -> None:
    """A set of fields as clients send it."""
    with contextlib.suppress(encoding.Unreadable, fieldset.InvalidFields):
        fields = fieldset.parse(encoding.from_json(data))
        assert fieldset.parse(fields) == fields
        list(map(fieldset.text, fieldset.paths(fieldset.ordered(fields))))


def pattern(data: bytes) -> None:
    """The first line is a pattern, the rest a text: both engines agree, where Python's can be asked."""
    expression, _, text = _text(data).partition("\n")
    try:
        found = Matcher(expression)
    except InvalidPattern:
        return
    matches = found.matches(text)
    assert matches == (found.find(text) is not None)
    if len(text) < 8 and len(expression) < 30:
        assert matches == (found.pattern.search(text) is not None)


@cache
def _rules() -> Environment:
    numbers = {"type": "array", "items": {"type": "integer"}}
    fields = {
        "a": {"type": "integer"},
        "s": {"type": "string"},
        "l": numbers,
        "any": {"x-kubernetes-preserve-unknown-fields": True},
    }
    of = declared.of_schema({"type": "object", "properties": fields}, "Self", is_root=True)
    assert of is not None
    return Environment({"self": of.type}, declared.Declarations(of, root=of))


def cel(data: bytes) -> None:
    try:
        program = _rules().compile(_text(data))
    except (CompileError, InstantiationError):
        return
    with contextlib.suppress(EvaluationError, CostExceeded):
        program.evaluate({"self": {"a": 1, "s": "abc", "l": [1, 2, 3], "any": {"x": [None]}}}, Budget(10_000))


# Writes, through the whole server


@cache
def _server() -> Inside:
    server = Inside()
    server.create("/api/v1/namespaces", {"metadata": {"name": "fuzz"}})
    containers = [{"name": "a", "image": "a", "ports": [{"containerPort": 80}]}, {"name": "b", "image": "b"}]
    about = {"name": "a", "labels": {"a": "b"}, "finalizers": ["a.b/c"]}
    server.create(
        "/api/v1/namespaces/fuzz/podtemplates", {"metadata": about, "template": {"spec": {"containers": containers}}}
    )
    return server


TEMPLATE = "/api/v1/namespaces/fuzz/podtemplates/a?dryRun=All&fieldManager=fuzz&force="


def _patch(media: str, body: Any) -> None:
    target = TEMPLATE + ("true" if "apply" in media else "")
    target = target if "apply" in media else target.removesuffix("&force=")
    _server().ask("PATCH", target, msgspec.json.encode(body), content_type=f"application/{media}")


def json_patch(data: bytes) -> None:
    source = grown.Source(data)
    operations = [
        grown.value(source) if source.byte() > 240 else _operation(source) for _ in range(source.below(grown.MOST))
    ]
    _patch("json-patch+json", operations)


def _operation(source: grown.Source) -> Any:
    kinds = ("add", "remove", "replace", "move", "copy", "test", "", None)
    starts = (
        "",
        "/metadata",
        "/template/spec/containers",
        "/template/spec/containers/0",
        "/metadata/labels",
        "/template",
    )
    found = {
        "op": source.pick(kinds),
        "path": source.pick(starts) + source.pick(("", "/-", "/0", "/-1", "/a", "/name", "/~01")),
    }
    found["from"] = source.pick(starts) + source.pick(("", "/-", "/0", "/-1", "/a"))
    return found | {"value": grown.value(source)}


def _template(data: bytes) -> Any:
    return grown.of_schema(grown.Source(data), registry.find("v1", "PodTemplate").schema)


def merge_patch(data: bytes) -> None:
    _patch("merge-patch+json", _template(data))


def strategic_merge_patch(data: bytes) -> None:
    """As the schema wants it, with directives among the fields."""
    source = grown.Source(data)
    body = grown.of_schema(source, registry.find("v1", "PodTemplate").schema)
    _patch("strategic-merge-patch+json", _with_directives(body, source))


DIRECTIVES = (
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$deleteFromPrimitiveList/finalizers",
    "$setElementOrder/ports",
)


def _with_directives(value: Any, source: grown.Source) -> Any:
    if isinstance(value, list):
        return [_with_directives(item, source) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _with_directives(item, source) for name, item in value.items()}
    return found | ({source.pick(DIRECTIVES): grown.value(source)} if source.byte() > 128 else {})


def apply(data: bytes) -> None:
    body = _template(data)
    about = {"apiVersion": "v1", "kind": "PodTemplate"}
    _patch("apply-patch+yaml", {**about, **body} if isinstance(body, dict) else body)


def create(data: bytes) -> None:
    """Any kind, any object: defaults, validation and admission of what clients make up."""
    source = grown.Source(data)
    kinds = [kind for kind in registry.kinds() if "create" in kind.verbs]
    kind = kinds[source.below(len(kinds)) if len(kinds) <= 256 else 0]
    obj = grown.of_schema(source, kind.schema)
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    place = f"{root}/namespaces/fuzz/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    if isinstance(obj, dict):
        about = obj.get("metadata")
        obj["metadata"] = {**about, "name": "a"} if isinstance(about, dict) else about
    _server().ask("POST", place + "?dryRun=All", msgspec.json.encode(obj))


def update(data: bytes) -> None:
    """What is there in place of what was there, whole or its metadata alone."""
    body = _template(data)
    about = body.get("metadata") if isinstance(body, dict) else None
    if isinstance(about, dict):
        about["name"] = "a"
    _server().ask("PUT", TEMPLATE.partition("&")[0], msgspec.json.encode(body))


def query(data: bytes) -> None:
    """Options of all verbs, whatever they say."""
    text = quote(_text(data), safe="=&%;+,")
    _server().ask("GET", f"/api/v1/namespaces/fuzz/podtemplates?{text}&watch=false".replace("watch=1", "watch=0"))
    _server().ask("DELETE", f"/api/v1/namespaces/fuzz/configmaps/none?{text}&dryRun=All")
    _server().ask("GET", f"/api/v1/namespaces/fuzz/podtemplates/a?{text}", accept=_text(data))


def definition(data: bytes) -> None:
    """A custom resource definition whose schema is anything."""
    kind = registry.find("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    schema = grown.of_schema(
        grown.Source(data), kind.schema.properties["spec"].properties["versions"].items.properties["schema"]
    )
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    spec = {"group": "fuzz.example", "scope": "Cluster", "names": names, "versions": [version]}
    body = msgspec.json.encode({"metadata": {"name": "things.fuzz.example"}, "spec": spec})
    _server().ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All", body)


# Wire protocols


class _Http:
    """A server that tells what was asked, without a network."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.seen: list[tuple[str, str, dict[str, list[str]], bytes]] = []
        self.server = self.loop.run_until_complete(self._make())
        self.runs = 0

    async def _make(self) -> Server:
        return Server(self._answer, Limits(max_body=4096, max_header_bytes=4096, linger=0), plain_error, RealClock())

    def _answer(self, request: HttpRequest, exchange: Exchange) -> None:
        self.seen.append((request.method, request.target, request.headers, request.body))
        exchange.reply(200, [], b"ok")

    def ask(self, *pieces: bytes) -> tuple[list[Any], bytes]:
        """(what reached the handler, what was answered)."""
        self.seen = []
        connection, transport = Connection(self.server), MemoryTransport()
        connection.connection_made(transport)
        for piece in pieces:
            transport.feed(connection, piece)
        connection.connection_lost(None)
        self.runs += 1
        if self.runs % 64 == 0:  # what is due is done, else it would pile up
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()
        return self.seen, bytes(transport.sent)


_http = cache(_Http)


def http1(data: bytes) -> None:
    """However the network cuts it, the bytes mean the same requests: else one could hide behind another."""
    cut = 1 + data[0] % 40 if data else 1
    whole, answered = _http().ask(data[1:])
    pieces = [data[at : at + cut] for at in range(1, len(data), cut)]
    assert _http().ask(*pieces)[0] == whole
    assert not answered or answered.startswith(b"HTTP/1.1 ")
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == len(whole)


def websocket(data: bytes) -> None:
    """Frames of a client, channels included."""
    from umiak.kit.http.duplex import Duplex
    from umiak.kit.websocket import WebSocket

    transport = MemoryTransport()
    socket = WebSocket(Duplex(transport, b""), client=False)  # type: ignore[arg-type]
    for at in range(0, len(data), 7):
        if not socket.closed:
            socket._take_in(data[at : at + 7])


def spdy_frames(data: bytes) -> None:
    connection = spdy.Connection(client=False)
    with contextlib.suppress(spdy.ProtocolError):
        for at in range(0, len(data), 11):
            connection.receive(data[at : at + 11])
            connection.take()


TARGETS: dict[str, Target] = {
    function.__name__: function
    for function in (
        *(json, yaml, protobuf_body, label_selector, field_selector, path, jsonpath_text, amount, schedule),
        *(managed_fields, pattern, cel, json_patch, merge_patch, strategic_merge_patch, apply, create, update),
        *(query, definition),
        *(http1, websocket, spdy_frames),
    )
}
