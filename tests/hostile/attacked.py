"""A real server process under attack: what it costs the server, and how others fare meanwhile.

Costs are CPU seconds and peak memory of the server as the kernel counts them, so that a busy machine changes nothing.
"""

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from umiak.testing.patience import LONG

ADMIN, POOR = "admintoken", "poortoken"
TICKS = os.sysconf("SC_CLK_TCK")
ELSEWHERE = "/api/v1/namespaces/kube-system"
"""What the others ask for."""


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def message(self) -> str:
        with suppress(ValueError):
            return str(json.loads(self.body).get("message", ""))
        return self.body.decode(errors="replace")


@dataclass
class Attacked:
    folder: Path
    port: int = 0
    process: Any = None
    lines: list[str] = field(default_factory=list)
    """What the server has logged."""

    def start(self) -> None:
        """Returns when it is ready."""
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{ADMIN},admin,admin,"system:masters"\n{POOR},poor,poor,"poor"\n')
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={self.folder / 'data'}"),
                *("--port=0", "--workers=1", "--store=memory", f"--token-file={tokens}"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = self.process.stdout.readline()
        assert "ready" in ready, ready + self.process.stdout.read()
        self.port = int(ready.partition("https://")[2].partition(" ")[0].rpartition(":")[2])
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(LONG)
        self._reader.join(LONG)
        self.process.stdout.close()

    # Asking

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.folder / "data" / "ca.crt")
        return context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), LONG), server_hostname="127.0.0.1"
        )

    def say(self, data: bytes) -> bytes:
        """Sends bytes, and gives what comes back until the server closes, or is silent for long."""
        found = b""
        with self.connect() as connection, suppress(OSError):
            connection.settimeout(LONG)
            connection.sendall(data)
            while piece := connection.recv(65536):
                found += piece
        return found

    def ask(self, method: str, path: str, body: Any = b"", token: str = ADMIN, **headers: str) -> Answer:
        context = ssl.create_default_context(cafile=self.folder / "data" / "ca.crt")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=LONG)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body:
            named.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {token}", **named})
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    # Measuring

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _memory(self, name: str) -> float:
        """MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

    @contextmanager
    def bounded(self, *, cpu: float = 5.0, memory: float = 64.0) -> Iterator[None]:
        """What happens within costs the server no more seconds of CPU and MiB; others are answered all the while, and
        the server says nothing of errors."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # the peak counts from now
        before, had, said = self.cpu(), self._memory("VmRSS"), len(self.lines)
        with self._others():
            yield
        assert self.cpu() - before <= cpu, f"{self.cpu() - before:.2f} s of CPU"
        assert self._memory("VmHWM") - had <= memory, f"{self._memory('VmHWM') - had:.0f} MiB"
        assert not [line for line in self.lines[said:] if "Traceback" in line], "".join(self.lines[said:])

    @contextmanager
    def _others(self) -> Iterator[None]:
        over, answers = threading.Event(), []

        def ask() -> None:
            while True:
                answers.append(self.ask("GET", ELSEWHERE).status)
                if over.wait(0.1):
                    return

        other = threading.Thread(target=ask)
        other.start()
        try:
            yield
        finally:
            over.set()
            other.join(LONG)
        assert set(answers) == {200}, f"{answers}\n{''.join(self.lines[-50:])}"
