"""Secret: confidential data by key."""

import base64
import json

from umiak.api.common.cells import AGE, NAME, column, counts, reads
from umiak.api.common.checks import check, config_key_faults, immutable
from umiak.api.faults import described
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, required, too_long
from umiak.objects.types import Object


def default(obj: Object) -> None:
    """`stringData` is for writing only: it is stored as `data`, and wins over it."""
    texts = obj.pop("stringData", None)
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    if not obj.get("type"):
        obj["type"] = "Opaque"


MAX_SIZE = 1024 * 1024
ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
_DOCKER = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    data = obj.get("data") or {}
    for key in sorted(data):
        check(config_key_faults, key, f"data[{key}]", errors)
    if sum(len(v or "") * 3 // 4 - (v or "").count("=") for v in data.values()) > MAX_SIZE:
        errors.append(too_long("data", MAX_SIZE))
    _for_type(obj, data, errors)
    return errors


def _for_type(obj: Object, data: dict[str, str], errors: list[FieldError]) -> None:
    """What each well-known type must hold."""
    match obj["type"]:
        case "kubernetes.io/service-account-token":
            if not ((obj.get("metadata") or {}).get("annotations") or {}).get(ACCOUNT_ANNOTATION):
                errors.append(required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]"))
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            _docker(data, _DOCKER[obj["type"]], errors)
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                errors += [required("data[username]"), required("data[password]")]
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                errors.append(required("data[ssh-privatekey]"))
        case "kubernetes.io/tls":
            errors += [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]


def _docker(data: dict[str, str], key: str, errors: list[FieldError]) -> None:
    if key not in data:
        errors.append(required(f"data[{key}]"))
        return
    text = base64.b64decode(data[key] or "").decode(errors="replace")
    try:
        if not isinstance(json.loads(text), dict | None):
            raise ValueError
    except ValueError:
        errors.append(invalid_value(f"data[{key}]", "<secret contents redacted>", _json_fault(text)))


def _json_fault(text: str) -> str:
    """What Go's decoder says of the commonest faults."""
    try:
        json.JSONDecoder().raw_decode(text.strip())
    except json.JSONDecodeError as fault:
        at = fault.pos if fault.pos < len(text.strip()) else None
        if at is None or not text.strip():
            return "unexpected end of JSON input"
        return f"invalid character '{text.strip()[at]}' looking for beginning of value"
    value, end = json.JSONDecoder().raw_decode(text.strip())
    if end < len(text.strip()):
        return f"invalid character '{text.strip()[end]}' after top-level value"
    return f"json: cannot unmarshal {described(value)} into Go value of type map[string]interface {{}}"


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    immutable(new.get("type"), old.get("type"), "type", errors)
    if old.get("immutable"):
        for field in ("immutable", "data"):
            if new.get(field) != old.get(field):
                errors.append(field_forbidden(field, "field is immutable when `immutable` is set"))
    return [*errors, *validate(new)]


KIND = builtin(
    "v1",
    "Secret",
    default=default,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(NAME, column("Type", reads("type"), "Secret.type"), column("Data", counts("data"), "Secret.data"), AGE),
    selectable={"type": lambda obj: obj.get("type") or ""},
)
