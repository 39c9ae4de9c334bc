"""Waiting, and what is said when it was in vain."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from umiak.testing.patience import until, until_so


def test_what_comes_in_time_is_returned():
    answers = iter([AssertionError("not yet"), 0, "there"])

    def look() -> object:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    assert until(look, every=0) == "there"


def test_in_vain_it_shows_what_was_found_and_logged(tmp_path: Path):
    (tmp_path / "log").write_text("port taken\n")
    with pytest.raises(AssertionError, match=r"not so within 0 s, but FileNotFoundError.*none(.|\n)*port taken"):
        until((tmp_path / "none").read_text, 0, logs=[tmp_path / "log"])


def test_nobody_waits_for_a_program_that_has_ended():
    program = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    program.wait()
    with pytest.raises(AssertionError, match="ended with 3"):
        until(lambda: False, programs=[program])


async def test_the_loop_turns_meanwhile():
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, over.set)
    await until_so(over.is_set)

    async def is_over() -> bool:
        return over.is_set()

    await until_so(is_over)
    with pytest.raises(TimeoutError):
        await until_so(lambda: False, 0)
