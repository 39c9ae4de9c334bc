"""Some hundred schedules hold every invariant, and each can be played again exactly."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from umiak.testing.chaos import loop
from umiak.testing.chaos.plan import draw
from umiak.testing.chaos.schedule import run

TOP = Path(__file__).resolve().parents[2]
SEEDS = 200
DIGEST = "import sys; from umiak.testing.chaos.schedule import run; print(run(int(sys.argv[1])).trace.digest())"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_schedules_hold() -> None:
    command = [sys.executable, str(TOP / "scripts" / "chaos"), "--seeds", f"0:{SEEDS}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def digest_elsewhere(seed: int, hash_seed: str) -> str:
    """Of a run in another process, which keeps sets of texts in another order."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", DIGEST, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 7, 22])
def test_replays_exactly(seed: int) -> None:
    told = run(seed, words=True)
    assert run(seed).trace.digest() == told.trace.digest()
    assert {digest_elsewhere(seed, "1"), digest_elsewhere(seed, "2")} == {told.trace.digest()}


def test_a_trace_can_be_read() -> None:
    """What each part saw, wrote and was answered."""
    lines = run(3, words=True).trace.lines()
    assert any(" saw " in line for line in lines)
    assert any(" POST " in line and " 201 " in line for line in lines)


def test_plans_differ_and_stay() -> None:
    plans = [draw(seed) for seed in range(50)]
    assert [draw(seed) for seed in range(50)] == plans
    assert len({plan.told() for plan in plans}) == 50


def test_what_waits_for_nothing_is_told() -> None:
    async def forever() -> None:
        import asyncio

        await asyncio.get_running_loop().create_future()

    with pytest.raises(loop.Stuck, match="nothing is left to do"):
        loop.run(forever())


def test_time_is_virtual() -> None:
    async def sleep() -> float:
        import asyncio

        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert loop.run(sleep()) == pytest.approx(3600, abs=0.01)
