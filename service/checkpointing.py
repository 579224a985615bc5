"""The loop that makes checkpoints over all chains, and brings the file of them up to date."""

import asyncio
from typing import TYPE_CHECKING

from service import telemetry
from service.drafts.trail import checkpoints

if TYPE_CHECKING:
    from service.bootstrap import Services

LOOK_S = 60.0


async def run(services: "Services", look_s: float = LOOK_S) -> None:
    """Make a checkpoint whenever the last is older than ``audit.checkpoint_every_s``, over and over.

    Of many workers one makes it; each host's file is brought up to date.
    """
    every, clock = services.settings.audit.checkpoint_every_s, asyncio.get_running_loop().time
    tried, written = -float(every), 0
    while True:
        found = await services.store.registered(checkpoints.KIND, ehr="", subject=checkpoints.SUBJECT)
        age = (await services.store.now() - found[0].entry.at).total_seconds() if found else every
        if age >= every and clock() - tried >= every:
            tried = clock()
            await once(services)
        if found and found[0].entry.seq > written:
            await file(services)
            written = found[0].entry.seq
        await asyncio.sleep(min(look_s, every))


async def once(services: "Services") -> checkpoints.Made:
    """Make a checkpoint now over what moved since the last."""
    made = await checkpoints.make(services.store, services.signer)
    if made.lost:
        # Nothing is hidden by going on: the checkpoint before still names them, and ``audit verify`` finds them.
        telemetry.log().error("chains are not what they were", code="U-CHECKPOINT-CHANGED", count=len(made.lost))
    telemetry.log().info("checkpoint", count=made.entries)
    await file(services)
    return made


async def file(services: "Services") -> None:
    """Add to the file what it lacks; nothing where none is set."""
    if path := services.settings.audit.checkpoint_file:
        await asyncio.to_thread(checkpoints.append, path, await checkpoints.entries(services.store))
