"""Requests made to confuse: heads, paths, upgrades. Answers are kube-apiserver's, or stricter where that is safer."""

import socket
import ssl
import warnings

import pytest
from attacked import ADMIN, POOR, Attacked

from umiak.testing.patience import LONG

HEAD = b"Host: x\r\nAuthorization: Bearer " + ADMIN.encode() + b"\r\n"
LAST = b"Connection: close\r\n\r\n"
HIDDEN = b"aGlkZGVu"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length and chunks"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", id="two lengths"),
        pytest.param(b"Content-Length: 0\r\nContent-Length: 0\r\n" + LAST, id="the same length twice"),
        pytest.param(b"Content-Length: +0\r\n" + LAST, id="a signed length"),
        pytest.param(b"Content-Length: 0x5\r\n\r\nabcde", id="a hexadecimal length"),
        pytest.param(b"Content-Length: 99999999999999999999999\r\n" + LAST, id="a length beyond 64 bits"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", id="a negative chunk"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n", id="a chunk beyond 64 bits"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n5\nabcde\n0\n\n", id="chunks between bare line feeds"),
        pytest.param(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", id="two encodings"),
        pytest.param(b"X: a\r\n b\r\n" + LAST, id="a folded line"),
        pytest.param(b"X : a\r\n" + LAST, id="a space before the colon"),
        pytest.param(b"X: a\0b\r\n" + LAST, id="a zero byte"),
        pytest.param(b"X\x01: ab\r\n" + LAST, id="a control character in a name"),
        pytest.param(b"X: a\rY: b\r\n" + LAST, id="a bare carriage return"),
        pytest.param(b"Host: y\r\n" + LAST, id="two hosts"),
    ],
)
def test_a_head_with_two_meanings_is_refused(server: Attacked, sent: bytes) -> None:
    """RFC 9112, sections 5 and 6. The second request hides behind the first."""
    with server.bounded():
        answer = server.say(b"GET /version HTTP/1.1\r\n" + HEAD + sent + b"GET /livez HTTP/1.1\r\n" + HEAD + LAST)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ", b"HTTP/1.1 501 ")), answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET /version HTTP/1.1\nHost: x\n\n", 400, id="bare line feeds"),
        pytest.param(b"GET /version HTTP/1.1\r\n" + LAST, 400, id="no host"),
        pytest.param(b"GET /ver\0sion HTTP/1.1\r\n" + HEAD + LAST, 400, id="a zero byte in the path"),
        pytest.param(b"GET file:///etc/passwd HTTP/1.1\r\n" + HEAD + LAST, 400, id="another scheme"),
        pytest.param(b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HEAD + LAST, 400, id="a tunnel"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="HTTP/2 with prior knowledge"),
        pytest.param(b"GET /version HTTP/1.1\r\nX: " + b"a" * 1_100_000 + b"\r\n" + LAST, 431, id="a long header"),
        pytest.param(b"GET /" + b"a" * 1_100_000 + b" HTTP/1.1\r\n" + LAST, 431, id="a long path"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200_000 + LAST, 431, id="many headers"),
        pytest.param(b"GET https://evil.example/livez HTTP/1.1\r\n" + HEAD + LAST, 200, id="another host's URI"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n" + LAST, 200, id="another host"),
    ],
)
def test_an_odd_request(server: Attacked, sent: bytes, status: int) -> None:
    with server.bounded():
        answer = server.say(sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]


def test_http_2_is_not_offered(server: Attacked) -> None:
    """So there are no streams to reset, no windows to keep shut and no CONTINUATION frames."""
    context = ssl.create_default_context(cafile=server.folder / "data" / "ca.crt")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with server.connect() as plain:
        assert plain.selected_alpn_protocol() is None
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", server.port), LONG), server_hostname="127.0.0.1"
    ) as s:
        assert s.selected_alpn_protocol() != "h2"


def test_tls_of_old_is_refused(server: Attacked) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings(), pytest.raises((ssl.SSLError, ConnectionError)):
        warnings.simplefilter("ignore")
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), LONG))


@pytest.mark.parametrize(
    "protocol",
    ["websocket", "SPDY/3.1", "h2c", "TLS/1.0", "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA"],
)
@pytest.mark.parametrize("path", ["/version", "/api/v1/namespaces/default/pods/none/exec?command=a&stdout=1"])
def test_an_upgrade_nobody_offers(server: Attacked, protocol: str, path: str) -> None:
    """What follows is read as HTTP, or not at all."""
    begun = f"GET {path} HTTP/1.1\r\n".encode() + HEAD + f"Connection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n".encode()
    with server.bounded():
        answer = server.say(begun + b"\x80\x03\x00\x01" + b"\xff" * 5000)
    assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"HTTP/1.1 404 ")), answer[:200]
    assert b"HTTP/1.1 101" not in answer


# Nobody gets what is not his


@pytest.fixture(scope="module")
def hidden(server: Attacked) -> Attacked:
    """A secret that the poor user may not see, beside one that he may."""
    server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "victim"}})
    for name in ("hidden", "allowed"):
        body = {"metadata": {"name": name}, "data": {"x": HIDDEN.decode() if name == "hidden" else ""}}
        assert server.ask("POST", "/api/v1/namespaces/victim/secrets", body).status == 201
    verbs = ["get", "list", "watch", "update", "patch", "deletecollection"]
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["allowed"], "verbs": verbs}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "poor"}, "rules": [rule]}
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/victim"
    assert server.ask("POST", f"{roles}/roles", role).status == 201
    about = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "poor"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "poor"}]
    assert (
        server.ask(
            "POST", f"{roles}/rolebindings", {"metadata": {"name": "p"}, "roleRef": about, "subjects": subjects}
        ).status
        == 201
    )
    return server


SECRETS = "/api/v1/namespaces/victim/secrets"


@pytest.mark.parametrize(
    "path",
    [
        f"{SECRETS}/hidden",
        f"{SECRETS}/allowed/../hidden",
        f"{SECRETS}/allowed/%2e%2e/hidden",
        f"{SECRETS}/allowed%2f..%2fhidden",
        f"{SECRETS}/%2e%2e/secrets/hidden",
        f"{SECRETS}//hidden",
        f"/{SECRETS}/hidden",
        f"{SECRETS}/./hidden",
        f"{SECRETS}/hidden/",
        f"{SECRETS}/hidden%00",
        f"{SECRETS}/hidden%00allowed",
        f"{SECRETS}/hidden;allowed",
        f"{SECRETS}/hidden%3fx",
        f"{SECRETS}/hidden%23allowed",
        f"{SECRETS}/%68idden",
        f"{SECRETS}/%c1%a8idden",
        f"{SECRETS}/hidden?name=allowed",
        "/api//v1/namespaces/victim/secrets/hidden",
        "/api/v1/watch/namespaces/victim/secrets/hidden?timeoutSeconds=1",
        "/apis//v1/namespaces/victim/secrets/hidden",
        "/healthz/../api/v1/namespaces/victim/secrets/hidden",
        "/healthz%2f..%2fapi/v1/namespaces/victim/secrets/hidden",
        "/openapi/v2/../../api/v1/namespaces/victim/secrets/hidden",
        SECRETS,
        f"{SECRETS}?fieldSelector=metadata.name%3Dhidden",
        f"{SECRETS}?fieldSelector=metadata.name!%3Dallowed",
        f"{SECRETS}?fieldSelector=metadata.namespace!%3D%5C,metadata.name%3Dallowed",
        f"{SECRETS}?fieldSelector=metadata.name%3Dallowed&fieldSelector=metadata.name%3Dhidden",
        f"{SECRETS}?fieldSelector=metadata.name%3Dallowed;fieldSelector=",
        f"{SECRETS}?fieldSelector=metadata.name%3D%3Dallowed&limit=x",
        f"{SECRETS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.namespace!%3D%5C,metadata.name%3Dallowed",
        "/api/v1/secrets?fieldSelector=metadata.name%3Dallowed",
        "/api/v1/namespaces/victim/configmaps/hidden",
    ],
)
def test_nothing_leaks(hidden: Attacked, path: str) -> None:
    """Authorization is asked about the very object that is served."""
    with hidden.bounded():
        answer = hidden.ask("GET", path, token=POOR)
    assert HIDDEN not in answer.body
    assert answer.status in (200, 301, 400, 403, 404), answer


def test_what_is_allowed_is_answered(hidden: Attacked) -> None:
    assert hidden.ask("GET", f"{SECRETS}/allowed", token=POOR).status == 200
    listed = hidden.ask("GET", f"{SECRETS}?fieldSelector=metadata.name%3Dallowed", token=POOR)
    assert (listed.status, listed.body.count(b'"uid"')) == (200, 1)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", f"{SECRETS}/hidden", {"Impersonate_User": "admin"}),
        ("GET", f"{SECRETS}/hidden", {"Impersonate_Group": "system:masters"}),
        ("GET", f"{SECRETS}/hidden", {"X_Remote_User": "admin", "X_Remote_Group": "system:masters"}),
        ("GET", f"{SECRETS}/hidden", {"X_HTTP_Method_Override": "GET"}),
        ("POST", f"{SECRETS}/hidden", {"X_HTTP_Method_Override": "GET"}),
        ("DELETE", f"{SECRETS}?fieldSelector=metadata.namespace!%3D%5C,metadata.name%3Dallowed", {}),
        ("PUT", f"{SECRETS}/hidden", {}),
        ("PATCH", f"{SECRETS}/hidden", {"Content_Type": "application/merge-patch+json"}),
    ],
)
def test_nobody_is_somebody_else(hidden: Attacked, method: str, path: str, headers: dict[str, str]) -> None:
    answer = hidden.ask(method, path, {} if method != "GET" else b"", token=POOR, **headers)
    assert answer.status in (400, 403, 404, 405)
    assert HIDDEN not in answer.body
    assert hidden.ask("GET", f"{SECRETS}/hidden").status == 200, "it is gone"


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..", ".", "a/b", "a%2fb", "a\0", "-", "a\r\nb", "é" * 300, "a" * 300]
)
def test_a_name_is_no_path(server: Attacked, name: str) -> None:
    answer = server.ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": name}})
    assert answer.status == 422
    answer = server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert answer.status == 422


def test_no_value_becomes_a_header(server: Attacked) -> None:
    """Warnings quote what clients sent."""
    body = {"metadata": {"name": "w"}, 'a\r\nX-Evil: 1\r\n\r\n"\\': 1, "b\u2028c": 1}
    answer = server.ask("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", body)
    assert answer.status == 201
    assert "x-evil" not in {name.lower() for name, _ in answer.headers}


def test_no_value_becomes_a_line_of_the_log(server: Attacked) -> None:
    for path in ("/version%0aINJECTED", "/api/v1/namespaces/x%0d%0aINJECTED/pods"):
        server.ask("GET", path, User_Agent="a\\nINJECTED", Audit_Id="x" * 5000)
    server.say(b"GET /\x0bINJECTED HTTP/1.1\r\n\r\n")
    assert not [line for line in server.lines if line.startswith("INJECTED")]
