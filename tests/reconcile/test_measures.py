"""What controllers count, as they tell it."""

from umiak.api.core.configmap import KIND
from umiak.kit.metrics import Registry
from umiak.reconcile.cache import Tables
from umiak.reconcile.contract import DONE, Context, Controller, Measure, Outcome
from umiak.reconcile.measures import text


async def nothing(ctx: Context, key: object) -> Outcome:
    return DONE


MEASURE = Measure("maps", "Maps", ("namespace",), lambda cache: {(k.namespace,): 1.0 for k in cache.keys(KIND)})
CONTROLLER = Controller(name="c", watches=KIND, reconcile=nothing, measures=(MEASURE,))


def test_gauges_are_read_anew_each_time() -> None:
    registry, tables = Registry(), Tables()
    registry.counter("done", "Done").inc()
    table = tables.ensure(KIND)
    table.saw(b'{"metadata":{"name":"a","namespace":"here","uid":"1","resourceVersion":"1"}}')
    told = text(registry, tables, [CONTROLLER]).decode()
    assert told.splitlines() == [
        "# HELP done Done",
        "# TYPE done counter",
        "done 1",
        "# HELP maps Maps",
        "# TYPE maps gauge",
        'maps{namespace="here"} 1',
    ]
    table.replace([], 2)
    assert "maps" not in text(registry, tables, [CONTROLLER]).decode()


def test_who_has_no_caches_tells_what_it_counted() -> None:
    registry = Registry()
    registry.counter("done", "Done").inc()
    assert "done 1" in text(registry, Tables(), [CONTROLLER]).decode()
