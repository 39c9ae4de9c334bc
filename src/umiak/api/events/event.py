"""Event (events.k8s.io/v1): the same objects as core/v1 Events, in newer words."""

from umiak.api.common.event_table import columns
from umiak.api.events._versions import from_core, to_core
from umiak.api.registry import builtin

KIND = builtin(
    "events.k8s.io/v1",
    "Event",
    storage_group="core",
    storage_version="v1",
    to_storage=to_core,
    from_storage=from_core,
    columns=columns(
        "regarding",
        "deprecatedSource",
        "deprecatedFirstTimestamp",
        "deprecatedLastTimestamp",
        "deprecatedCount",
        "note",
    ),
    creates_on_update=True,
)
