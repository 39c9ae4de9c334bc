"""Log lines that people read and programs cut up."""

import io
import logging
import re
from collections.abc import Iterator

import pytest

from umiak.kit.logs import fields, set_up


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root, ours = logging.getLogger(), logging.getLogger("umiak")
    before = (root.handlers[:], root.level, ours.level)
    stream = io.StringIO()
    set_up("info", part="node", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def test_line(lines: io.StringIO) -> None:
    log = logging.getLogger("umiak.kit.x")
    log.info("node is %s", "ready", extra=fields(node="a", why='said "yes"\nlevel=error', n=3))
    log.debug("not shown")
    want = (
        r'time=\S+Z level=info part=node from=kit.x msg="node is ready" node=a why="said \\"yes\\"\\nlevel=error" n=3\n'
    )
    assert re.fullmatch(want, lines.getvalue())


def test_exception(lines: io.StringIO) -> None:
    try:
        raise KeyError("x")
    except KeyError:
        logging.getLogger("umiak").exception("oops")
    first, *trace = lines.getvalue().splitlines()
    assert first.endswith("""msg=oops error=KeyError('x')""")
    assert trace and all(line.startswith("  ") for line in trace)


def test_libraries_are_quiet(lines: io.StringIO) -> None:
    logging.getLogger("asyncio").info("chatter")
    assert lines.getvalue() == ""


def test_unknown_level() -> None:
    with pytest.raises(ValueError, match="none of debug"):
        set_up("loud")
