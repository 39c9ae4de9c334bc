"""kopf: its own examples as they are in its source distribution, and an operator with webhooks, timers and daemons."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from go_programs import Program

from umiak.kit import pki
from umiak.testing.patience import LONG, until

SECONDS = int(LONG)
STARTED = "Client is configured|Initial authentication has finished"
MADE, GONE = "Creation is processed", "Deleted, really deleted"
EXAMPLES = {
    "01-minimal": ([MADE], []),
    "02-children": ([MADE], []),
    "03-exceptions": ([MADE, "Fail once and for all"], []),
    "04-events": ([MADE], []),
    "05-handlers": ([MADE], [GONE]),
    "07-subhandlers": ([MADE, "create_fn/item2' succeeded"], []),
    "08-events": (["Event is pretty normal|Handler 'normal_event_fn' succeeded"], []),
    "11-filtering-handlers": ([MADE], []),
    "13-hooks": ([], []),
    "14-daemons": (["=> Ping from"], ["is cancelled|has exited"]),
    "15-timers": (["ping|Timer .* succeeded"], []),
    "99-all-at-once": (["Handler 'create_pod' succeeded"], [GONE]),
}
"""What each operator logs once the example object is there, and once it is deleted."""
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Debian's Python 3.11.2 does not know it


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kopf's source distribution, of the version that is installed."""
    folder, wanted = tmp_path_factory.mktemp("kopf"), f"kopf=={version('kopf')}"
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:", wanted]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=5 * SECONDS)
    if done.returncode:
        pytest.skip(f"kopf's source distribution can not be had: {done.stderr.strip()[-500:]}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, **SAFELY)
    return next(folder.glob("kopf-*/"))


@pytest.fixture(scope="session")
def kind(source: Path, kubectl_program: Program) -> None:
    """The examples' kind, and that which operators elect the one at work with."""
    files = ("-f", str(source / "examples" / "crd.yaml"), "-f", str(source / "peering.yaml"))
    kubectl_program.run("apply", *files)  # objects of kinds that come with them are refused at first
    for name in ("kopfexamples", "kopfpeerings", "clusterkopfpeerings"):
        kubectl_program("wait", "--for=condition=Established", f"crd/{name}.kopf.dev", "--timeout=300s")
    kubectl_program("apply", *files)


class Operator:
    """A running operator of one namespace, and what it logs."""

    def __init__(self, kubectl: Program, file: Path, *words: str, **environment: str) -> None:
        self.log = kubectl.folder / "log"
        with self.log.open("w") as log:
            program = shutil.which("kopf", path=str(Path(sys.executable).parent))
            assert program is not None
            self.process = subprocess.Popen(
                [program, "run", f"--namespace={kubectl.namespace}", "--verbose", *words, str(file)],
                env={**os.environ, "KUBECONFIG": str(kubectl.kubeconfig), **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, patterns: Sequence[str]) -> None:
        """Until it has logged all of them."""

        def logged() -> bool:
            said = self.log.read_text()
            assert not (missing := [p for p in patterns if not re.search(p, said)]), f"no {missing}"
            return True

        until(logged, programs=[self.process], logs=[self.log])

    def stop(self) -> None:
        self.process.terminate()
        try:
            assert self.process.wait(SECONDS) == 0, self.log.read_text()[-5000:]
        finally:
            self.process.kill()


@pytest.mark.parametrize("example", EXAMPLES)
def test_its_examples(kubectl: Program, source: Path, kind: None, example: str) -> None:
    made, gone = EXAMPLES[example]
    folder = source / "examples"
    operator = Operator(kubectl, folder / example / "example.py", "--standalone")
    try:
        operator.wait_for([STARTED])
        kubectl("apply", "-f", str(folder / "obj.yaml"))
        operator.wait_for(made)
        kubectl("delete", "-f", str(folder / "obj.yaml"), "--wait=false")
        operator.wait_for(gone)
    finally:
        operator.stop()
        # kopf looks after a daemon that is slow to stop a minute later, and has its finalizer there until then
        kubectl.run("patch", "kopfexample", "kopf-example-1", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def test_one_of_two_peers_works(kubectl: Program, source: Path, kind: None, tmp_path: Path) -> None:
    """The example is started twice, of different priority; only the greater one handles the object."""
    peering = {"apiVersion": "kopf.dev/v1", "kind": "KopfPeering", "metadata": {"name": "example"}}
    kubectl("apply", "-f", "-", given=json.dumps(peering))
    file, logs = source / "examples" / "06-peering" / "example.py", tmp_path / "less"
    logs.mkdir()
    greater = Operator(kubectl, file, "--peering=example", "--priority=200")
    greater.wait_for(["Keep-alive in 'example'"])
    less = Operator(kubectl.within(kubectl.namespace, logs), file, "--peering=example", "--priority=100")
    try:
        less.wait_for(["Keep-alive in 'example'"])
        kubectl("apply", "-f", str(source / "examples" / "obj.yaml"))
        greater.wait_for([MADE])
        assert MADE not in less.log.read_text()
        kubectl("delete", "-f", str(source / "examples" / "obj.yaml"), "--timeout=300s")
    finally:
        greater.stop()
        less.stop()


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    now = datetime.now(UTC)
    authority = pki.new_authority("hooks", 7, now)
    pair = pki.issue(authority, "hook", ips=["127.0.0.1"], server=True, days=7, now=now)
    (tmp_path / "hook.crt").write_text(pair.certificate_pem)
    (tmp_path / "hook.key").write_text(pair.key_pem)
    (tmp_path / "ca.crt").write_text(authority.certificate_pem)
    return tmp_path


def boat(**spec: int) -> str:
    return json.dumps({"apiVersion": "kopf.dev/v1", "kind": "KopfExample", "metadata": {"name": "boat"}, "spec": spec})


def test_an_operator_with_webhooks(kubectl: Program, kind: None, certificates: Path) -> None:
    name = f"{kubectl.namespace}.clients.test"
    file = Path(__file__).parent / "kopf_operator.py"
    about = {"OPERATOR_CERTIFICATES": str(certificates), "OPERATOR_NAME": name}
    operator = Operator(kubectl, file, "--standalone", **about)
    try:
        operator.wait_for([STARTED])
        for sort in ("mutating", "validating"):
            hook = f"{sort}webhookconfiguration/{name}"
            kubectl("wait", "--for=create", hook, "--timeout=300s")
            kubectl("wait", "--for=jsonpath={.webhooks[0].clientConfig.url}", hook, "--timeout=300s")
        refusal = "denied the request: a boat of that size does not float"
        until(lambda: refusal in kubectl.fails("create", "-f", "-", given=boat(size=10)))  # once the operator listens
        made = kubectl.run("create", "-f", "-", given=boat())
        assert "Warning: no size: it gets three" in made.stderr
        for wanted in ("size}=3", "known}=1", "ticks}=2"):
            kubectl("wait", f"--for=jsonpath={{.status.{wanted}", "kopfexample/boat", "--timeout=300s")
        kubectl("patch", "kopfexample", "boat", "--type=merge", "-p", '{"spec":{"size":5}}')
        kubectl("wait", "--for=jsonpath={.status.size}=5", "kopfexample/boat", "--timeout=300s")
        until(lambda: "it has size 5" in kubectl("events", "--for", "kopfexample/boat"))
        kubectl("delete", "kopfexample", "boat", "--timeout=300s")
        operator.wait_for(["boat is watched over", "farewell boat", "boat is left alone"])
    finally:
        operator.stop()
        outside = kubectl.within("", kubectl.folder)
        outside("delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", name, "--ignore-not-found")
