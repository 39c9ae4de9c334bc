"""A store that lives and dies with its process."""

from umiak.store.journal import MemoryJournal
from umiak.store.logged import LoggedStore


class MemoryStore(LoggedStore):
    """For tests and `umiak dev`."""

    def __init__(self) -> None:
        super().__init__(MemoryJournal())
