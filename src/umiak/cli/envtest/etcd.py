"""What envtest starts as etcd. It answers as healthy and tells the API server its data folder; it is no database."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from umiak.cli._part import run_until_stopped
from umiak.cli.command import CommandError
from umiak.cli.envtest.flags import Flags, split
from umiak.kit import garbage
from umiak.kit.http.client import HttpClient, HttpError
from umiak.kit.http.exchange import Exchange, HttpRequest
from umiak.kit.http.server import Server, serve

WHERE = "/umiak/data-dir"
VERSION = "3.7.0"
TUNING = (
    "advertise-client-urls auto-compaction-mode auto-compaction-retention force-new-cluster heartbeat-interval "
    "election-timeout initial-advertise-peer-urls initial-cluster initial-cluster-state initial-cluster-token "
    "listen-metrics-urls listen-peer-urls log-level log-outputs logger max-request-bytes max-txn-ops max-wals "
    "max-snapshots name quota-backend-bytes snapshot-count unsafe-no-fsync watch-progress-notify-interval"
)


def flags() -> Flags:
    made = Flags("etcd", "Stands where envtest wants an etcd; the data is kept by umiak's API server.")
    made.several("listen-client-urls", help="where health is told (http://127.0.0.1:2379)")
    made.value("data-dir", "default.etcd", help="the folder that the API server keeps its store in")
    made.unused(TUNING, "accepted, changes nothing: there is one member, and its data is in SQLite")
    return made


def run(words: Sequence[str]) -> int:
    args = flags().parse(words)
    addresses = [address(url) for url in split(args.listen_client_urls) or ["http://127.0.0.1:2379"]]
    folder = Path(args.data_dir).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--data-dir {folder}: {error.strerror}") from None
    return run_until_stopped(lambda: work(addresses, folder))


def address(url: str) -> tuple[str, int]:
    """Raises CommandError for what can not be listened on."""
    found = urlsplit(url)
    if found.scheme != "http" or not found.hostname or not found.port:
        raise CommandError(f"--listen-client-urls {url}: not of the form http://HOST:PORT")
    return found.hostname, found.port


async def work(addresses: Sequence[tuple[str, int]], folder: Path) -> None:
    answers = {
        "/health": json.dumps({"health": "true", "reason": ""}),
        "/readyz": "ok\n",
        "/livez": "ok\n",
        "/version": json.dumps({"etcdserver": VERSION, "etcdcluster": VERSION}),
        WHERE: str(folder),
    }

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        body = answers.get(request.target.partition("?")[0])
        exchange.reply(404 if body is None else 200, [], (body or "404 page not found\n").encode())

    listening: list[Server] = []
    try:
        for host, port in addresses:
            listening.append(await serve(handler, host, port))
        garbage.settled()
        await asyncio.Event().wait()
    except OSError as error:
        raise CommandError(f"cannot listen: {error.strerror or error}") from None
    finally:
        for server in listening:
            await server.close(0)


async def data_folder(url: str) -> Path:
    """Where the etcd at `url` wants its data. Raises CommandError when it is not one of these."""
    client = HttpClient(url)
    try:
        status, _, body = await client.request("GET", WHERE)
    except HttpError as error:
        raise CommandError(f"--etcd-servers {url}: {error}") from None
    finally:
        await client.close()
    if status != 200:
        raise CommandError(f"--etcd-servers {url}: not the etcd that umiak envtest-assets has written")
    return Path(body.decode())
