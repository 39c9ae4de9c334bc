"""An issuer of tokens and a webhook, on loopback over TLS, for servers that run as programs of their own."""

import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from umiak.kit import pki


def review_of_token(body: Any) -> Any:
    """The token says itself what it stands for: `webhook:NAME:GROUP`."""
    kind, _, rest = body["spec"]["token"].partition(":")
    name, _, group = rest.partition(":")
    if kind == "broken":
        return {**body, "status": {"error": "the webhook says no"}}
    if kind != "webhook":
        return {**body, "status": {"authenticated": False}}
    user = {"username": name, "uid": "u1", "groups": [group], "extra": {"example.com/x": ["1", "2"]}}
    return {**body, "status": {"authenticated": True, "user": user, "audiences": body["spec"].get("audiences")}}


def review_of_access(body: Any) -> Any:
    """Decides by the namespace asked about."""
    about = body["spec"].get("resourceAttributes") or {}
    status = {
        "allow": {"allowed": True, "reason": "the webhook allows"},
        "deny": {"denied": True, "reason": "the webhook denies"},
        "both": {"allowed": True, "denied": True, "reason": "undecided"},
    }.get(about.get("namespace", ""), {"allowed": False, "reason": "nothing to say"})
    if about.get("namespace") == "echo":  # what was asked, as the reason
        status = {"allowed": False, "reason": json.dumps(body["spec"], sort_keys=True)}
    return {**body, "status": status}


@dataclass
class Beside:
    folder: Path
    keys: dict[str, Any] = field(default_factory=dict)
    server: ThreadingHTTPServer | None = None
    authority: pki.Pair | None = None

    def start(self) -> None:
        now = datetime.now(UTC)
        self.authority = pki.new_authority("beside", 1, now)
        pair = pki.issue(self.authority, "beside", ips=["127.0.0.1"], server=True, days=1, now=now)
        chain = self.folder / "beside.pem"
        chain.write_text(pair.key_pem + pair.certificate_pem)
        (self.folder / "beside-ca.crt").write_text(self.authority.certificate_pem)
        self.keys = {"rsa": RSAKey.generate_key(2048, {"kid": "rsa"}), "ec": ECKey.generate_key("P-256", {"kid": "ec"})}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    @property
    def ca(self) -> str:
        assert self.authority is not None
        return self.authority.certificate_pem

    def get(self, path: str) -> Any:
        issuer, _, rest = path.partition("/.well-known")
        if path.startswith("/elsewhere"):
            return {"issuer": f"{self.url}/hidden", "jwks_uri": f"{self.url}/keys"}
        if rest == "/openid-configuration":
            return {"issuer": self.url + issuer, "jwks_uri": f"{self.url}/keys"}
        public = [{**key.as_dict(private=False), "use": "sig"} for key in self.keys.values()]
        return {"keys": public}

    def post(self, path: str, body: Any) -> Any:
        return review_of_token(body) if path.startswith("/tokens") else review_of_access(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        beside = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._say(beside.get(self.path))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._say(beside.post(self.path, body))

            def _say(self, data: Any) -> None:
                sent = json.dumps(data).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *words: Any) -> None:
                """Says nothing."""

        return Handler

    def token(self, issuer: str = "", key: str = "rsa", algorithm: str = "RS256", **claims: Any) -> str:
        """Signed; good for an hour unless the claims say otherwise, None takes a claim away."""
        now = int(time.time())
        whole = {"iss": self.url + issuer, "sub": "sam", "aud": "me", "iat": now, "exp": now + 3600, **claims}
        kept = {name: value for name, value in whole.items() if value is not None}
        return jws.serialize_compact(
            {"alg": algorithm, "kid": key}, json.dumps(kept).encode(), self.keys[key], algorithms=[algorithm]
        )

    def kubeconfig(self, path: str) -> str:
        ca = str(self.folder / "beside-ca.crt")
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url + path, "certificate-authority": ca}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        file = self.folder / f"{path.strip('/')}.kubeconfig"
        file.write_text(yaml.safe_dump(content))
        return str(file)
