"""PriorityLevelConfiguration: how many requests of a level run at once, and how the rest waits."""

from umiak.api.common.cells import AGE, NAME, NONE, column, reads
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, not_supported, required
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


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    spec = obj["spec"]
    kind, name = spec.get("type") or "", (obj.get("metadata") or {}).get("name")
    if (name == "exempt") != (kind == "Exempt"):
        errors.append(invalid_value("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'"))
    limited, exempt = spec.get("limited"), spec.get("exempt")
    if kind == "Exempt":
        if exempt is not None:
            _shares(exempt, "spec.exempt", errors)
    elif kind == "Limited":
        if limited is None:
            late.append(required("spec.limited"))
        else:
            _limited(limited, errors, late)
    elif kind:
        errors.append(not_supported("spec.type", kind, ("Exempt", "Limited")))
    else:
        late.append(required("spec.type"))
    if kind != "Limited" and limited is not None:
        _answer(limited, [], late)
    members = (("exempt", "Exempt"), ("limited", "Limited"))
    unwanted = [_unwanted(f"spec.{field}") for field, owner in members if spec.get(field) is not None and kind != owner]
    return errors + unwanted + late


def _unwanted(path: str) -> FieldError:
    """A member of a union that another one excludes."""
    return FieldError(field_forbidden(path, "").type, path, "Forbidden")


def _shares(level: Object, path: str, errors: list[FieldError]) -> None:
    if level["nominalConcurrencyShares"] < 0:
        text = "must be a non-negative integer"
        errors.append(invalid_value(f"{path}.nominalConcurrencyShares", level["nominalConcurrencyShares"], text))
    if path == "spec.exempt":
        _lendable(level, path, errors)


def _lendable(level: Object, path: str, errors: list[FieldError]) -> None:
    if not 0 <= level["lendablePercent"] <= 100:
        text = "must be between 0 and 100, inclusive"
        errors.append(invalid_value(f"{path}.lendablePercent", level["lendablePercent"], text))


def _limited(level: Object, errors: list[FieldError], late: list[FieldError]) -> None:
    path = "spec.limited"
    _shares(level, path, errors)
    _answer(level, errors, late)
    _lendable(level, path, errors)
    if (level.get("borrowingLimitPercent") or 0) < 0:
        text = "if specified, must be a non-negative integer"
        errors.append(invalid_value(f"{path}.borrowingLimitPercent", level["borrowingLimitPercent"], text))


def _answer(level: Object, errors: list[FieldError], late: list[FieldError]) -> None:
    """What happens to requests that have to wait."""
    path = "spec.limited.limitResponse"
    response = level.get("limitResponse") or {}
    kind, queuing = response.get("type") or "", response.get("queuing")
    if queuing is not None:
        if kind == "Queue":
            _queuing(queuing, f"{path}.queuing", errors)
        else:
            late.append(_unwanted(f"{path}.queuing"))
    elif kind == "Queue":
        late.append(required(f"{path}.queuing"))
    if not kind:
        late.append(required(f"{path}.type"))
    elif kind not in ("Queue", "Reject"):
        errors.append(not_supported(f"{path}.type", kind, ("Queue", "Reject")))


def _queuing(queuing: Object, path: str, errors: list[FieldError]) -> None:
    for field in ("queueLengthLimit", "queues"):
        if queuing[field] <= 0:
            errors.append(invalid_value(f"{path}.{field}", queuing[field], "must be positive"))
    if queuing["queues"] > 10_000_000:
        errors.append(invalid_value(f"{path}.queues", queuing["queues"], "must not be greater than 10000000"))
    if queuing["handSize"] <= 0:
        errors.append(invalid_value(f"{path}.handSize", queuing["handSize"], "must be positive"))
    elif queuing["handSize"] > queuing["queues"]:
        text = f"should not be greater than queues ({queuing['queues']})"
        errors.append(invalid_value(f"{path}.handSize", queuing["handSize"], text))


_LIMITED = ("spec", "limited")
_QUEUES = (*_LIMITED, "limitResponse", "queuing")

KIND = builtin(
    "flowcontrol.apiserver.k8s.io/v1",
    "PriorityLevelConfiguration",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
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
