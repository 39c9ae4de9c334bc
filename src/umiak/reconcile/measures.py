"""What controllers count, as text: counters as they stand, gauges read off the cache when somebody asks."""

from collections.abc import Iterable
from contextlib import suppress

from umiak.kit.metrics import Registry
from umiak.reconcile.contract import Cache, Controller, Loop, Measure


def text(registry: Registry, cache: Cache, controllers: Iterable[Controller | Loop]) -> bytes:
    """For a GET of /metrics."""
    for controller in controllers:
        for measure in controller.measures if isinstance(controller, Controller) else ():
            _read(registry, cache, measure)
    return registry.text()


def _read(registry: Registry, cache: Cache, measure: Measure) -> None:
    family = registry.gauges(measure.name, measure.help, *measure.labels)
    family.clear()
    with suppress(LookupError):  # whoever waits to become the leader keeps no caches
        for values, count in measure.count(cache).items():
            family.at(*values).set(count)
