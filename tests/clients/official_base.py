"""A pytest plugin for the official client's own integration tests, which ship in its wheel without the module that says
where the cluster is: it is this one, under that name."""

import os
import sys
from types import ModuleType


def offer(name: str, get_configuration: object) -> None:
    package, base = ModuleType(name), ModuleType(f"{name}.base")
    base.get_e2e_configuration = get_configuration  # type: ignore[attr-defined]
    package.base = base  # type: ignore[attr-defined]
    sys.modules[name], sys.modules[base.__name__] = package, base


def plain():
    from kubernetes import client, config

    found = client.Configuration()
    config.load_kube_config(os.environ["KUBECONFIG"], client_configuration=found)
    return found


def asynchronous():
    """The tests ask outside of any event loop."""
    import asyncio

    from kubernetes.aio import client, config

    found = client.Configuration()
    asyncio.run(config.load_kube_config(os.environ["KUBECONFIG"], client_configuration=found))
    return found


offer("kubernetes.e2e_test", plain)
offer("kubernetes.aio.e2e_test", asynchronous)
