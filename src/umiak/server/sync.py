"""Runs coroutines without a task as far as they go without waiting. Most reads never wait."""

import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class WouldWait(RuntimeError):
    """A coroutine that must not wait did."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise WouldWait(repr(work))


def begin(work: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None] | None:
    """Runs `work` up to its first wait; None when it is done, else the rest, to be run by a task.

    Up to then there is no current task, so `work` must not use timeouts before it has waited for something.
    """
    try:
        waited_for = work.send(None)
    except StopIteration:
        return None
    return _finish(work, waited_for)


async def _finish(work: Coroutine[Any, Any, None], waited_for: Any) -> None:
    await _relay(work, waited_for)


@types.coroutine
def _relay(work: Coroutine[Any, Any, None], waited_for: Any) -> Generator[Any, Any, None]:
    """Hands what `work` waits for to the task around it, and the answers back."""
    while True:
        try:
            answer = yield waited_for
        except BaseException as error:
            step = lambda thrown=error: work.throw(thrown)  # noqa: E731 - one line reads better here
        else:
            step = lambda given=answer: work.send(given)  # noqa: E731
        try:
            waited_for = step()
        except StopIteration:
            return
