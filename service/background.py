"""The loops beside the requests: write-back, following, expiry, checkpoints; a crash is counted, never silent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from service import checkpointing, telemetry
from service.drafts.states import UNSIGNED
from service.ehr import awaiting, writeback

if TYPE_CHECKING:
    from service.bootstrap import Services

EXPIRY_S = 60.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


async def run(services: "Services") -> None:
    """Run the loops until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(supervise("write-back", lambda: writeback.run(services)))
        group.create_task(supervise("following", lambda: awaiting.run(services)))
        group.create_task(supervise("expiry", lambda: expire(services)))
        group.create_task(supervise("checkpoints", lambda: checkpointing.run(services)))


async def expire(services: "Services", pause_s: float = EXPIRY_S) -> None:
    """End unsigned drafts past their time, over and over, and keep the gauge of held drafts true."""
    while True:
        if ended := await services.store.expire():
            telemetry.log().info("drafts expired", count=ended)
        telemetry.DRAFTS_HELD.set(await services.store.count(UNSIGNED))
        await asyncio.sleep(pause_s)


async def supervise(name: str, loop: Callable[[], Awaitable[None]], first_pause_s: float = _FIRST_PAUSE_S) -> None:
    """Run a loop again whenever it ends or crashes, with growing pauses."""
    pause = first_pause_s
    while True:
        try:
            await loop()
            telemetry.log().error("background loop ended", loop=name)
        except Exception:  # noqa: BLE001 - the outermost boundary of a background loop: it has to come back
            telemetry.log().exception("background loop crashed", loop=name)
        telemetry.LOOP_RESTARTS.labels(name).inc()
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
