"""StorageVersionMigrations: which one may run, how far it is, and what its conditions say (KEP-4192). Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import msgspec

from umiak.controllers._pods import by_age, condition, is_true
from umiak.controllers._status import find_condition
from umiak.objects.meta import format_time, generation
from umiak.objects.types import Object

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
MIGRATING = "StorageMigrating"
"""The condition of a CustomResourceDefinition whose objects are being migrated."""
VERBS = ("update", "patch", "list")
"""What a resource must allow, as the reference lists it."""
RETRIED = frozenset({"InternalError", "ServerTimeout", "ServiceUnavailable", "Timeout", "TooManyRequests"})
"""Reasons of errors that pass."""


class Resource(NamedTuple):
    group: str
    plural: str

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def resource_of(migration: Object) -> Resource:
    found = migration["spec"]["resource"]
    return Resource(found.get("group") or "", found["resource"])


def is_over(migration: Object) -> bool:
    return is_true(migration, SUCCEEDED) or is_true(migration, FAILED)


class Turn(msgspec.Struct, frozen=True):
    """Of all migrations of one resource: those to be put away, and the one to begin, if any."""

    over: list[Object]
    next: Object | None


def turn(migrations: Iterable[Object]) -> Turn:
    """One at a time, the oldest first."""
    found = sorted(migrations, key=by_age)
    over = [m for m in found if is_true(m, RUNNING) and is_over(m)]
    if any(is_true(m, RUNNING) and not is_over(m) for m in found):
        return Turn(over, None)
    return Turn(over, next((m for m in found if not is_true(m, RUNNING) and not is_over(m)), None))


class Progress(msgspec.Struct, frozen=True):
    """How many objects are left, of how many."""

    left: int
    total: int


def running_message(progress: Progress | None = None, error: str = "") -> str:
    text = "The migration is running"
    if progress is not None and progress.total > 0:
        if progress.left > 0:
            text += f", {progress.left}/{progress.total} objects not yet migrated"
        else:
            text += f", {progress.total} objects verified migrated"
    return f"{text}; transient error: {error}" if error else text


def with_condition(
    migration: Object, type: str, value: str, reason: str, message: str, now: datetime, *, observed: bool = False
) -> Object:
    """The migration with a condition set where it stands; its time changes with its value only."""
    status = dict(migration.get("status") or {})
    before = find_condition(status, type) or {}
    made: Object = {"type": type, "status": value}
    if observed:
        made["observedGeneration"] = generation(migration)
    same = before.get("status") == value
    made["lastTransitionTime"] = before["lastTransitionTime"] if same else format_time(now)
    made |= {"reason": reason, "message": message}
    others = status.get("conditions") or []
    listed = [made if c["type"] == type else c for c in others]
    status["conditions"] = listed if before else [*others, made]
    return {**migration, "status": status}


def begun(migration: Object, now: datetime) -> Object:
    """A migration may begin once only."""
    if condition(migration, RUNNING) is not None:
        return migration
    return with_condition(migration, RUNNING, "True", "MigrationRunning", running_message(), now)


def put_away(migration: Object, now: datetime) -> Object:
    return with_condition(migration, RUNNING, "False", "MigrationCompleted", "Migration completed", now, observed=True)


def at_work(migration: Object, progress: Progress, now: datetime, error: str = "") -> Object:
    return with_condition(migration, RUNNING, "True", "MigrationRunning", running_message(progress, error), now)


def succeeded(migration: Object, progress: Progress, now: datetime) -> Object:
    reached = at_work(migration, progress, now)
    return with_condition(reached, SUCCEEDED, "True", "StorageVersionMigrationSucceeded", "Migration completed", now)


def failed(migration: Object, message: str, now: datetime) -> Object:
    return with_condition(migration, FAILED, "True", "StorageVersionMigrationFailed", message, now)


def definition_condition(definition: Object, migration: Object, now: datetime) -> Object:
    """What a CustomResourceDefinition says of a migration: that it runs, or how it ended."""
    made = {"type": MIGRATING, "lastTransitionTime": format_time(now), "observedGeneration": generation(definition)}
    if not is_over(migration):
        name = migration["metadata"]["name"]
        return {**made, "status": "True", "reason": "MigrationRunning", "message": f"Migration {name} is running"}
    if not is_true(migration, SUCCEEDED):
        return {**made, "status": "False", "reason": "MigrationFailed", "message": "The migration has failed"}
    kept = "and the stored versions have been updated"
    if not is_unchanged(definition):
        kept = "but the stored versions have not been updated due to a generation mismatch"
    message = f"The migration has succeeded {kept}"
    return {**made, "status": "False", "reason": "MigrationSucceeded", "message": message}


def is_unchanged(definition: Object) -> bool:
    """Whether the definition still is the one that it was when the migration began."""
    found = condition(definition, MIGRATING)
    return found is not None and found.get("observedGeneration") == generation(definition)


def definition_status(definition: Object, migration: Object, now: datetime) -> Object:
    """What is applied to the definition. Versions that nothing is stored in any more go once a migration succeeded
    (the reference also drops them when one failed, which can lose what is still stored in them).
    """
    status: Object = {"conditions": [definition_condition(definition, migration, now)]}
    if is_true(migration, SUCCEEDED) and is_unchanged(definition):
        stored = next((v["name"] for v in definition["spec"]["versions"] if v.get("storage")), None)
        if stored:
            status["storedVersions"] = [stored]
    return status
