"""A cluster inside a test, beside kube-apiserver and etcd started as envtest starts them.

usage: bench/testing.py [--count 10]

Prints milliseconds: from a cold interpreter to the first answered request, a further cluster in the same process, one
restored snapshot; and the reference's start to its first answer. What is not there is left out.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from run import REFERENCE, reference

COLD = """
import ssl, urllib.request
from umiak.testing import Cluster
with Cluster() as cluster:
    request = urllib.request.Request(cluster.url + "/api/v1/namespaces")
    request.add_header("Authorization", "Bearer " + cluster.token)
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=cluster.ca)).close()
    print("answered", flush=True)
"""
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def cold() -> float:
    """Milliseconds, the interpreter's own start included, its end not."""
    begun = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", COLD], stdout=subprocess.PIPE) as process:
        if process.stdout is None or not process.stdout.readline():
            sys.exit("the cluster did not start")
        return (time.perf_counter() - begun) * 1000


def further(count: int) -> list[float]:
    from umiak.testing import Cluster

    found = []
    with Cluster(controllers=False):
        for _ in range(count):
            cluster = Cluster(controllers=False)
            found.append(timed(cluster.start))
            cluster.close()
    return found


def restored(count: int) -> list[float]:
    """Of a cluster with controllers, after a test that wrote ten objects."""
    from umiak.testing import Cluster

    found = []
    with Cluster() as cluster:
        cluster.settle(60)
        for _ in range(count):
            before = cluster.snapshot()
            for number in range(10):
                cluster.client.create({**CONFIG, "metadata": {"name": f"c-{number}"}})
            found.append(timed(lambda kept=before: cluster.restore(kept)))  # type: ignore[misc]
    return found


def envtest() -> float:
    """Starting etcd, then kube-apiserver, until it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        with reference(Path(folder)):
            return (time.perf_counter() - begun) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=10, metavar="N", help="how often each is done (10)")
    count = parser.parse_args().count
    cold()  # precompiles
    rows = {
        "cold interpreter to first answer": [cold() for _ in range(min(5, count))],
        "a further cluster in the process": further(count),
        "restoring a snapshot": restored(count),
    }
    if (REFERENCE / "kube-apiserver").exists():
        rows["kube-apiserver and etcd, to ready"] = [envtest() for _ in range(2)]
    for name, found in rows.items():
        print(f"{name:36} {median(found):8.1f} ms   (fastest {min(found):.1f})")


if __name__ == "__main__":
    main()
