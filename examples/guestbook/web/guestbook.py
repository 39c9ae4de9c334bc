"""A guestbook: shows what visitors wrote, keeps it in Redis. Nothing but Python's standard library.

GET / lists entries, POST / adds one, GET /healthz says whether Redis answers, GET /where names the replica.
"""

import os
import signal
import socket
import socketserver
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

STORE = os.environ.get("STORE", "redis")
PASSWORD = os.environ.get("STORE_PASSWORD", "")
TITLE = Path("/etc/guestbook/title")
KEY = "entries"


def redis(*words: str) -> list[str] | str | int | None:
    """Sends one command and reads its answer (RESP)."""
    with socket.create_connection((STORE, 6379), timeout=10) as connection, connection.makefile("rwb") as stream:
        for command in ([("AUTH", PASSWORD)] if PASSWORD else []) + [words]:
            parts = [w.encode() for w in command]
            stream.write(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            stream.flush()
            answer = read(stream)
        return answer


def read(stream):
    line = stream.readline().rstrip()
    kind, rest = line[:1], line[1:]
    if kind == b"-":
        raise OSError(rest.decode())
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [read(stream) for _ in range(int(rest))]
    return int(rest) if kind == b":" else rest.decode()


class Guestbook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        pages = {"/healthz": self.health, "/where": lambda: socket.gethostname()}
        self.reply(pages.get(self.path, self.entries))

    def do_POST(self):
        entry = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()[:200]
        self.reply(lambda: f"entry {redis('RPUSH', KEY, entry)}")

    def health(self):
        return f"{redis('PING')}"

    def entries(self):
        title = TITLE.read_text().strip() if TITLE.exists() else "Guestbook"
        return "\n".join([title, *redis("LRANGE", KEY, "0", "-1")])

    def reply(self, page):
        try:
            status, text = 200, page()
        except OSError as error:
            status, text = 503, f"the store does not answer: {error}"
        body = (text + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, form, *values):
        print(self.address_string(), form % values, flush=True)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("guestbook listens on 8080", flush=True)
    Server(("", 8080), Guestbook).serve_forever()


if __name__ == "__main__":
    main()
