"""Our server answers as kube-apiserver did: recorded exchanges, played anew.

The recordings and their player live beside the project (`$RECORDINGS`, or the folder `shared` next to the clone). The
figure in `fidelity.json` is the best one reached so far: raise it when a change earns that ($WRITE_FIDELITY=1 writes
it), never lower it. docs/differences.md shows what differs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from ssl import CERT_NONE, create_default_context

import pytest

from umiak.testing.patience import LONG

pytestmark = [pytest.mark.shared, pytest.mark.slow]

HERE = Path(__file__).parent
BEST = HERE / "fidelity.json"
SHARED = Path(os.environ.get("RECORDINGS") or HERE.parents[1].parent / "shared")
PLAYER = SHARED / "reference" / "fidelity.py"
RECORDINGS = [SHARED / "golden" / f"{name}.jsonl" for name in ("own", "upstream", "sequences")]
OURS = sorted((HERE / "recordings").glob("*.jsonl"))
"""What we asked the reference ourselves, with the same player (`fidelity.py record`); all of it is equal."""

TOKEN = "admintoken"


@pytest.fixture
def recordings() -> None:
    missing = [str(path) for path in (PLAYER, *RECORDINGS) if not path.exists()]
    if missing:
        pytest.skip(f"no {missing[0]}: the recordings are not beside this clone")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server as the recorded one was: alone, with one administrator's token."""
    tokens = tmp_path / "tokens.csv"
    tokens.write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    command = [sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={tmp_path / 'data'}", "--port=0"]
    process = subprocess.Popen([*command, f"--token-file={tokens}"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert "ready on https://" in ready
        yield ready.split(" ready on ")[1].split()[0]
    finally:
        process.terminate()
        process.communicate(timeout=LONG)


def give_pods_an_account(url: str) -> None:
    """No controller runs that would make it."""
    lenient = create_default_context()
    lenient.check_hostname, lenient.verify_mode = False, CERT_NONE
    connection = HTTPSConnection(url.removeprefix("https://"), context=lenient)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    body = json.dumps({"metadata": {"name": "default"}})
    connection.request("POST", "/api/v1/namespaces/default/serviceaccounts", body, headers)
    assert connection.getresponse().status in (201, 409)
    connection.close()


def played(url: str, recordings: list[Path] = RECORDINGS) -> dict:
    """The player's report."""
    asked = ["compare", "--json", f"--server={url}", f"--token={TOKEN}", *map(str, recordings)]
    done = subprocess.run([sys.executable, str(PLAYER), *asked], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def test_as_many_recorded_answers_as_ever_are_equal(recordings, url, capsys):
    give_pods_an_account(url)
    report = played(url)
    equal, best = report["passed"], json.loads(BEST.read_text())["equal"]
    lines = [f"recorded answers: {equal} of {equal + report['failed']} equal (best so far {best})"]
    for name, part in report["files"].items():
        lines += [f"  {name}: {part['failed']} differ, first {f['id']}" for f in part["failures"][:1]]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *lines, ""]))
    assert equal >= best
    if os.environ.get("WRITE_FIDELITY"):
        BEST.write_text(json.dumps(summary(report), indent=1) + "\n")


def summary(report: dict) -> dict:
    """What docs/differences.md is made from: counts, and where each answer that differs does so first."""
    failures = [failure for part in report["files"].values() for failure in part["failures"]]
    differ = {failure["id"]: failure["differences"][0]["path"] for failure in failures}
    return {
        "equal": report["passed"],
        "of": report["passed"] + report["failed"],
        "differ": dict(sorted(differ.items())),
    }


@pytest.mark.parametrize("recording", OURS, ids=lambda path: path.stem)
def test_all_that_we_recorded_ourselves_is_equal(recordings, url, recording):
    give_pods_an_account(url)
    report = played(url, [recording])
    failures = [failure for part in report["files"].values() for failure in part["failures"]]
    assert (failures, report["failed"]) == ([], 0)
