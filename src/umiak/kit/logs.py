"""Log lines of key=value pairs on standard error, one event per line."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def fields(**values: Any) -> dict[str, dict[str, Any]]:
    """Pairs to add to a line: `log.info("node is ready", extra=fields(node=name))`."""
    return {"fields": values}


class KeyValueFormatter(logging.Formatter):
    """time=... level=... from=... msg=... and the record's own fields; an exception's text follows as `error` and
    its trace on lines of their own, indented."""

    def __init__(self, part: str = "") -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        pairs: dict[str, Any] = {
            "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z",
            "level": record.levelname.lower(),
            "part": self._part,
            "from": record.name.removeprefix("umiak."),
            "msg": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        trace = ""
        if record.exc_info and record.exc_info[1]:
            pairs["error"] = repr(record.exc_info[1])
            trace = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n").replace("\n", "\n  ")
        line = " ".join(f"{key}={_shown(value)}" for key, value in pairs.items() if key != "part" or value)
        return f"{line}\n  {trace}" if trace else line


def _shown(value: Any) -> str:
    """A value as it is when that is unmistakable, else quoted, so that a line break can not fake a second event."""
    text = str(value)
    if text and text.isprintable() and not any(c in text for c in ' "='):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in quoted) + '"'


def set_up(level: str = "info", part: str = "", stream: TextIO | None = None) -> None:
    """Sends this process's log to standard error; `part` names it when several share a terminal.

    Raises ValueError for a level other than debug, info, warning or error.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(KeyValueFormatter(part))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # other people's libraries
    logging.getLogger("umiak").setLevel(LEVELS[level])
