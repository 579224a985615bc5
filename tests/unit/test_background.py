"""The loops beside the requests come back after a crash and keep their counts."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from service import background, telemetry


def test_a_crashed_loop_is_counted_and_runs_again() -> None:
    """A loop that crashes or ends is started again each time, and each time is counted."""
    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("Jo Doe")
        if runs == 3:
            await asyncio.Event().wait()

    async def watch() -> None:
        task = asyncio.create_task(background.supervise("test", loop, 0.001))
        while runs < 3:  # noqa: ASYNC110 - the loop under test must not know of the test
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(watch())
    assert telemetry.LOOP_RESTARTS.labels("test")._value.get() == 2


def test_the_gauge_follows_the_store() -> None:
    """Each round expires what is overdue and sets the gauge to what is left."""

    class Store:
        left = 5

        async def expire(self) -> int:
            self.left -= 2
            return 2

        async def count(self, states: Any) -> int:
            return self.left

    async def once() -> None:
        task = asyncio.create_task(background.expire(SimpleNamespace(store=Store()), 60))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(once())
    assert telemetry.DRAFTS_HELD._value.get() == 3
