"""Asks the metrics APIs (metrics.k8s.io, custom.metrics.k8s.io, external.metrics.k8s.io) what is used.

They are served by others: metrics-server, an adapter of Prometheus, KEDA. Every function raises NoCount.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from umiak.api.kind import Kind
from umiak.client.contract import Unreachable
from umiak.controllers._autoscaler_counting import NoCount, Sample
from umiak.controllers._discovered import find_kind
from umiak.objects import meta, quantity
from umiak.objects.errors import StatusError
from umiak.objects.selectors import Selector, from_label_selector
from umiak.objects.types import Object
from umiak.reconcile.contract import Context

RESOURCE = "/apis/metrics.k8s.io/v1beta1"
CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"
EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"
DEFAULT_WINDOW = 60


async def of_resource(
    ctx: Context, namespace: str, selector: Selector, resource: str, container: str
) -> dict[str, Sample]:
    """What each pod, or its container of that name, uses of a resource."""
    path = f"{RESOURCE}/namespaces/{namespace}/pods"
    items = await _items(ctx, path, "resource", labelSelector=str(selector))
    found = {meta.name(item): _sample(item, _used(item, resource, container)) for item in items}
    return {name: sample for name, sample in found.items() if sample is not None}


def _used(item: Object, resource: str, container: str) -> int | None:
    """Thousandths; None when any part of it is not known."""
    containers = [c for c in item.get("containers") or () if container in ("", c["name"])]
    amounts = [(c.get("usage") or {}).get(resource) for c in containers]
    if not amounts or any(amount is None for amount in amounts):
        return None
    return sum(quantity.parse(amount).milli() for amount in amounts)


def _sample(item: Object, value: int | None) -> Sample | None:
    if value is None:
        return None
    return Sample(value, meta.parse_time(item["timestamp"]), _duration(item.get("window") or "0s"))


def _duration(text: str) -> timedelta:
    """A duration as Go writes it, of hours, minutes and seconds."""
    seconds, number = 0.0, ""
    for letter in text.replace("ms", "k"):
        if letter.isdigit() or letter == ".":
            number += letter
            continue
        seconds += float(number or 0) * {"h": 3600, "m": 60, "s": 1, "k": 0.001}.get(letter, 0)
        number = ""
    return timedelta(seconds=seconds)


async def of_pods(ctx: Context, namespace: str, selector: Selector, metric: Object) -> dict[str, Sample]:
    """A custom metric of each pod."""
    path = f"{CUSTOM}/namespaces/{namespace}/pods/*/{metric['name']}"
    items = await _items(ctx, path, "custom", labelSelector=str(selector), metricLabelSelector=_selector(metric))
    return {item["describedObject"]["name"]: _custom_sample(item) for item in items}


def _custom_sample(item: Object) -> Sample:
    window = timedelta(seconds=item.get("windowSeconds") or DEFAULT_WINDOW)
    return Sample(quantity.parse(item["value"]).milli(), _time(item.get("timestamp")), window)


def _time(text: str | None) -> datetime:
    return meta.parse_time(text or "1970-01-01T00:00:00Z")


async def of_object(ctx: Context, namespace: str, about: Object, metric: Object) -> int:
    """A custom metric of one object, in thousandths."""
    group = about.get("apiVersion", "").rpartition("/")[0]
    if (group, about["kind"]) == ("", "Namespace"):
        path = f"{CUSTOM}/namespaces/{namespace}/metrics/{metric['name']}"
    else:
        kind = await kind_of(ctx, group, about["kind"])
        resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        path = f"{CUSTOM}/namespaces/{namespace}/{resource}/{about['name']}/{metric['name']}"
    items = await _items(ctx, path, "custom", metricLabelSelector=_selector(metric))
    if len(items) != 1:
        raise NoCount(
            "unable to fetch metrics from custom metrics API: "
            f"the custom metrics API server returned {len(items)} results when we asked for exactly one"
        )
    return quantity.parse(items[0]["value"]).milli()


async def external(ctx: Context, namespace: str, metric: Object) -> list[int]:
    """All values of a metric that is not of the cluster, in thousandths."""
    path = f"{EXTERNAL}/namespaces/{namespace}/{metric['name']}"
    items = await _items(ctx, path, "external", labelSelector=_selector(metric))
    return [quantity.parse(item["value"]).milli() for item in items]


def _selector(metric: Object) -> str:
    return str(from_label_selector(metric.get("selector") or {}))


async def _items(ctx: Context, path: str, api: str, **query: str) -> list[Object]:
    asked = urlencode({name: value for name, value in query.items() if value})
    try:
        answer = await ctx.client.raw("GET", f"{path}?{asked}" if asked else path)
    except (StatusError, Unreachable) as error:
        raise NoCount(f"unable to fetch metrics from {api} metrics API: {error}") from error
    items: list[Any] = msgspec.json.decode(answer.body).get("items") or []
    if not items:
        raise NoCount(f"no metrics returned from {api} metrics API")
    return items


async def kind_of(ctx: Context, group: str, kind: str) -> Kind:
    found = await find_kind(ctx, group, kind)
    if found is None:
        raise NoCount(f'no matches for kind "{kind}" in group "{group}"')
    return found
