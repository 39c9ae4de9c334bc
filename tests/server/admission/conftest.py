"""Admission plugins alone, over stored objects and an authorizer that says what a test tells it."""

import random
from dataclasses import dataclass, field

import pytest

from umiak.kit.modules import exported
from umiak.objects.errors import StatusError
from umiak.server.contract import Admitted, Attributes, Decision, Phase, Surroundings, User
from umiak.server.resources import Resources
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock

PACKAGES = ("umiak.server.admission", "umiak.server.admission.optional")
PLUGINS = {plugin.name: plugin for package in PACKAGES for plugin in exported(package, "ADMISSION").values()}


class Leaves:
    """Allows what `given` holds: (verb, resource, name)."""

    def __init__(self):
        self.given = set()

    async def authorize(self, attributes):
        return Decision((attributes.verb, attributes.resource, attributes.name) in self.given)


@dataclass
class Gate:
    """Runs one plugin through both phases; answers what it said."""

    around: Surroundings
    leaves: Leaves
    warnings: list = field(default_factory=list)

    async def add(self, kind, obj):
        return await self.around.objects.create(kind, obj)

    async def __call__(
        self, plugin, resource, new, old=None, *, group="", user="ada", groups=(), part="", operation="", dry_run=False
    ):
        plugin = PLUGINS[plugin] if isinstance(plugin, str) else plugin
        about = (new or old)["metadata"]
        asked = Attributes(
            User(user, groups=tuple(groups)),
            "create",
            group,
            "v1",
            resource,
            part,
            about.get("namespace", ""),
            about.get("name", ""),
        )
        operation = operation or ("CREATE" if old is None else "UPDATE" if new is not None else "DELETE")
        request = Admitted(asked, None, operation, new, old, {}, dry_run, self.warnings)
        for phase in Phase:
            if phase in plugin.phases and plugin.concerns(request):
                await plugin.run(self.around, request, phase)
        return new

    async def refused(self, *args, **kwargs):
        with pytest.raises(StatusError) as error:
            await self(*args, **kwargs)
        return error.value.message


@pytest.fixture
async def gate():
    store, clock, leaves = MemoryStore(), VirtualClock(), Leaves()
    objects = Resources(store, clock, random.Random(1))
    yield Gate(Surroundings(objects, clock, leaves, random.Random(1)), leaves)
    await store.close()


@pytest.fixture
def pod():
    def make(name="p", namespace="hold", **spec):
        containers = spec.pop("containers", [{"name": "c", "image": "x"}])
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {"containers": containers, **spec}}

    return make
