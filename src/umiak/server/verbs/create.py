"""Create: fill in what the server knows, pass admission, validate, store."""

from collections.abc import Sequence
from functools import partial

from umiak.api.kind import Kind
from umiak.objects import encoding
from umiak.objects.errors import FieldError, StatusError, already_exists, invalid
from umiak.objects.types import Object
from umiak.server import metadata, representation, stored, wording
from umiak.server.answer import Answer, unknown_failure
from umiak.server.call import Call, undo
from umiak.server.contract import Admitted, Phase
from umiak.server.intake import take_in
from umiak.server.managed_fields import tracking
from umiak.server.options import write_options
from umiak.server.precedents import cases
from umiak.server.precedents.cases import Case
from umiak.server.special import Reserved
from umiak.store.contract import Mismatch

NAME_ATTEMPTS = 8


async def create(call: Call) -> Answer:
    options = write_options(call.request, "CreateOptions")
    case = cases.creation(call, options)
    if case is not None and (shown := await case.follow()) is not None:
        return representation.of_object(call, shown, 201)
    sent = take_in(call, options.directive)
    about = metadata.of(sent.obj)
    metadata.ensure_namespace(about, call.namespace)
    call.warn(metadata.without_duplicate_owners(about, after_admission=False))
    await tracking.track_creation(call, sent.obj, options.manager, emptied=sent.emptied, fields=sent.fields)
    value = await create_object(call, sent.obj, options.as_object("CreateOptions"), options.dry_run, case)
    return representation.of_object(call, value, 201)


async def create_object(call: Call, obj: Object, options: Object, dry_run: bool, case: Case | None = None) -> bytes:
    """Everything after the body is read; used by updates that create, too. Returns the object's bytes, of which `case`
    learns."""
    name = metadata.of(obj).get("name") or ""
    admitted = call.admitted("CREATE", obj, None, options, dry_run, name)
    try:
        await tracking.mutate(call, admitted)
        assert admitted.new is not None
        about = metadata.of(admitted.new)
        call.warn(metadata.without_duplicate_owners(about, after_admission=True))
        value = await _named(call, admitted, dry_run)
    except BaseException:
        await undo(admitted)
        raise
    if case is not None:
        case.learn(admitted, value)
    return value


async def _named(call: Call, admitted: Admitted, dry_run: bool) -> bytes:
    """Tries again with another random name when the generated one is taken."""
    draft = admitted.new
    assert draft is not None
    about = metadata.of(draft)
    if about.get("name") or not about.get("generateName"):
        return await _insert(call, admitted, dry_run)
    for attempt in range(NAME_ATTEMPTS):
        admitted.new = encoding.copy(draft)
        name = metadata.generated_name(about["generateName"], call.app.dice)
        metadata.of(admitted.new)["name"] = name
        try:
            return await _insert(call, admitted, dry_run)
        except StatusError as error:
            if error.reason != "AlreadyExists" or attempt == NAME_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


async def _insert(call: Call, admitted: Admitted, dry_run: bool) -> bytes:
    kind, obj = call.kind, admitted.new
    assert obj is not None
    about = metadata.of(obj)
    metadata.fill(about, call.app.clock.now(), call.app.dice)
    metadata.ensure_namespace(about, call.namespace)
    if kind.counts_generation:
        about["generation"] = 1
    async with Reservation(call, admitted, obj, None):
        call.warn(kind.early_warnings(obj))
        kind.drop(obj)
        kind.prepare_create(obj)
        if sign := call.app.special(kind).sign:
            sign(obj, call.user)
        call.warn(judge(call, obj))
        await call.app.gate.pass_through(admitted, Phase.VALIDATE)
        if not dry_run and about.get("resourceVersion") not in (None, "", "0"):
            raise unknown_failure("resourceVersion should not be set on objects to be created")
        return await _store(call, obj, dry_run)


class Reservation:
    """What a special kind takes for a write is kept when the write succeeds, and given back when it fails."""

    __slots__ = ("_reserve", "_taken")

    def __init__(self, call: Call, admitted: Admitted, new: Object, old: Object | None) -> None:
        reserve = call.app.special(call.kind).reserve
        self._reserve = None if reserve is None else partial(reserve, new, old, admitted.dry_run)
        self._taken: Reserved | None = None

    async def __aenter__(self) -> None:
        if self._reserve is not None:
            self._taken = await self._reserve()

    async def __aexit__(self, error: type[BaseException] | None, *about: object) -> None:
        if self._taken is not None:
            await (self._taken.commit() if error is None else self._taken.revert())


def said_once(kind: Kind, faults: list[FieldError]) -> list[FieldError]:
    """Kinds with generated rules beside their written ones say each fault once; definitions and API services are
    older than that, and custom resources have none."""
    if kind.is_custom or kind.group in ("apiextensions.k8s.io", "apiregistration.k8s.io"):
        return faults
    return list(dict.fromkeys(faults))


def judge(call: Call, obj: Object) -> Sequence[str]:
    """What there is to warn of in a new object. Raises 422 when it is not valid."""
    kind = call.kind
    decisive = kind.judged_by(obj) if kind.judged_by else b""
    warnings = call.app.verdicts.get((kind, decisive)) if decisive else None
    check(call, obj, known=warnings is not None)
    if warnings is None:
        warnings = tuple(kind.warnings(obj, None))
        if decisive:
            call.app.verdicts.keep((kind, decisive), warnings, len(decisive))
    return warnings


def check(call: Call, obj: Object, known: bool = False) -> None:
    """Raises 422 for a new object that is not valid; of a known one only its metadata are looked at."""
    kind, name = call.kind, metadata.of(obj).get("name") or ""
    faults = wording.as_sent(call, obj, _faults(kind, obj, known), partial(_faults, kind))
    if faults:
        raise invalid(stored.error_group(kind), kind.kind, name, said_once(kind, faults))


def _faults(kind: Kind, obj: Object, known: bool = False) -> list[FieldError]:
    own = [] if known else [*kind.validate(obj), *kind.validate_new(obj)]
    if kind.checks_metadata and own:
        return own
    return [*metadata.faults_of_new(kind, metadata.of(obj)), *own]


async def _store(call: Call, obj: Object, dry_run: bool) -> bytes:
    kind, about = call.kind, metadata.of(obj)
    key = kind.store_key(about.get("namespace") or "", about["name"])
    if dry_run:
        if (there := await call.store.latest(key)) is not None:
            raise _exists(kind, about["name"], there.value)
        return await call.app.objects.rehearsed(kind, obj)
    try:
        entry = await call.store.put(key, stored.render(kind, obj), expect=0)
    except Mismatch as mismatch:
        raise _exists(kind, about["name"], mismatch.current.value if mismatch.current else b"") from None
    return stored.shown(kind, entry.value)


def _exists(kind: Kind, name: str, value: bytes) -> StatusError:
    error = already_exists(kind.group, kind.plural, name)
    if value and (stored.read(kind, value).get("metadata") or {}).get("deletionTimestamp"):
        return StatusError(error.code, error.reason, f"object is being deleted: {error.message}", error.details)
    return error
