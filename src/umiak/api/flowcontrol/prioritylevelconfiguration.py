"""PriorityLevelConfiguration: how many requests of a level run at once, and how the rest waits."""

from umiak.api.common.cells import AGE, NAME, NONE, column, reads
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.types import Object

_QUEUING = {"handSize": 8, "queues": 64, "queueLengthLimit": 50}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for name, shares in (("limited", 30), ("exempt", 0)):
        level = spec.get(name)
        if level is not None:
            if level.get("nominalConcurrencyShares") is None:
                level["nominalConcurrencyShares"] = shares
            if level.get("lendablePercent") is None:
                level["lendablePercent"] = 0
    queuing = (((spec.get("limited") or {}).get("limitResponse")) or {}).get("queuing")
    if queuing is not None:
        for name, value in _QUEUING.items():
            if not queuing.get(name):
                queuing[name] = value


_LIMITED = ("spec", "limited")
_QUEUES = (*_LIMITED, "limitResponse", "queuing")

KIND = builtin(
    "flowcontrol.apiserver.k8s.io/v1",
    "PriorityLevelConfiguration",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column("Type", reads("spec", "type"), "PriorityLevelConfigurationSpec.type"),
        column(
            "NominalConcurrencyShares",
            reads(*_LIMITED, "nominalConcurrencyShares", otherwise=NONE),
            "LimitedPriorityLevelConfiguration.nominalConcurrencyShares",
        ),
        column("Queues", reads(*_QUEUES, "queues", otherwise=NONE), "QueuingConfiguration.queues"),
        column("HandSize", reads(*_QUEUES, "handSize", otherwise=NONE), "QueuingConfiguration.handSize"),
        column(
            "QueueLengthLimit",
            reads(*_QUEUES, "queueLengthLimit", otherwise=NONE),
            "QueuingConfiguration.queueLengthLimit",
        ),
        AGE,
    ),
    counts_generation=True,
)
