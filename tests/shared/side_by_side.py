"""The real kube-apiserver and ours, started with the same flags and asked the same things."""

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from umiak.kit import pki
from umiak.kit.ports import free_ports
from umiak.testing import reference
from umiak.testing.patience import LONG, until

TOKEN = "admintoken"
ISSUER = "https://kubernetes.default.svc.cluster.local"
VARYING = re.compile(
    r'"(uid|creationTimestamp|resourceVersion|time|token|expirationTimestamp)":"[^"]*"|'
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|"
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?|0x[0-9a-f]{8,}"
)
MONOTONIC = re.compile(r" m=[+-][\d.]+")
"""Go's own clock, which it prints after the time of day."""


LAG = 120.0
"""Seconds that the reference's copies of what it looks at may be behind what has just been written. It remembers for
half a minute what a webhook that was late has not allowed."""


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    def comparable(self) -> tuple[int, str]:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body, sort_keys=True, separators=(",", ":"))
        return self.status, VARYING.sub("~", MONOTONIC.sub("", text))


@dataclass
class Server:
    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, method: str, path: str, token: str = TOKEN, body: Any = None, **headers: str) -> Answer:
        lenient = ssl.create_default_context()
        lenient.check_hostname, lenient.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", self.port, context=lenient, timeout=LONG)
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Authorization": f"Bearer {token}"} if token else {}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = connection.getresponse()
            data = answer.read().decode()
        finally:
            connection.close()
        try:
            return Answer(answer.status, json.loads(data), dict(answer.getheaders()))
        except json.JSONDecodeError:
            return Answer(answer.status, data, dict(answer.getheaders()))

    def wait_until_ready(self) -> None:
        until(lambda: self.ask("GET", "/readyz").status == 200, programs=[self.process], logs=[self.log])


@dataclass
class Both:
    """Start with `flags` that both know; `tokens` are lines of a static token file."""

    folder: Path
    flags: Sequence[str] = ()
    tokens: Sequence[str] = ()
    etcd: "subprocess.Popen[bytes] | None" = None
    servers: list[Server] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key = pki.new_signing_key()
        (self.folder / "sa.key").write_text(key)
        (self.folder / "sa.pub").write_text(pki.public_key(key))
        (self.folder / "tokens.csv").write_text("\n".join([f"{TOKEN},admin,admin,system:masters", *self.tokens]) + "\n")

    def start(self) -> "Both":
        self.etcd_port, _, theirs, ours = free_ports(4)
        self.etcd = self._run("etcd", reference.etcd(self.folder / "etcd", self.etcd_port))
        commands = {"kube-apiserver": (theirs, self.their_command(theirs)), "umiak": (ours, self.our_command(ours))}
        self.servers = [
            Server(name, port, self._run(name, command), self.folder / f"{name}.log")
            for name, (port, command) in commands.items()
        ]
        for server in self.servers:
            server.wait_until_ready()
        return self

    def _run(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)

    def _shared(self) -> list[str]:
        return [
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={self.folder}/sa.pub",
            f"--service-account-signing-key-file={self.folder}/sa.key",
            *self.flags,
        ]

    def their_command(self, port: int) -> list[str]:
        return [
            reference.program("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--cert-dir={self.folder}/certs",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            f"--token-auth-file={self.folder}/tokens.csv",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--enable-bootstrap-token-auth=true",
            *([] if any("--authorization-" in flag for flag in self.flags) else ["--authorization-mode=Node,RBAC"]),
            *self._shared(),
        ]

    def our_command(self, port: int) -> list[str]:
        command = [sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={self.folder}/data"]
        return [*command, f"--port={port}", "--store=memory", f"--token-file={self.folder}/tokens.csv", *self._shared()]

    def ask(self, method: str, path: str, token: str = TOKEN, body: Any = None, **headers: str) -> list[Answer]:
        return [server.ask(method, path, token, body, **headers) for server in self.servers]

    def stop(self) -> None:
        for process in [*(server.process for server in self.servers), self.etcd]:
            if process is not None:
                process.kill()
                process.wait()


def settled_answers(
    both: Both, *question: Any, form: Callable[[Answer], object] = Answer.comparable, **more: Any
) -> list[Answer]:
    """Both answers; where both refuse in different forms, what they say when the reference's copies have caught up:
    a refusal changes nothing, so it can be asked for again."""
    answers: list[Answer] = []

    def told() -> bool:
        answers[:] = both.ask(*question, **more)
        theirs, ours = answers
        return form(ours) == form(theirs) or min(theirs.status, ours.status) < 400

    with suppress(AssertionError):
        until(told, LAG)
    return answers


def may(both: Both, user: str, verb: str, resource: str, **more: str) -> bool:
    """Whether both let the user, which the reference sees some time after it was written."""
    spec = {"user": user, "resourceAttributes": {"verb": verb, "resource": resource, **more}}
    answers = both.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body={"spec": spec})
    return all(answer.body["status"]["allowed"] for answer in answers)


def agree(ask: Callable[[], Sequence[Answer]], seconds: float = LAG) -> None:
    """What changes nothing is asked until both answer the same."""

    def equal() -> bool:
        theirs, ours = ask()
        assert ours.comparable() == theirs.comparable()
        assert ours.headers.get("Warning") == theirs.headers.get("Warning")
        return True

    until(equal, seconds)
