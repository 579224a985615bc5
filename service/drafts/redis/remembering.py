"""What this host acknowledged, held against the server that answers now: at start, and whenever that is another one.

Another server, or the same one started again, may have forgotten the last commits. Whatever first meets the broken
connection waits until the receipts have been held against the new one, and is asked again only then: so nothing is
decided on a store that lacks a denial or a stop which this host had acknowledged.
"""

import asyncio
from datetime import datetime
from typing import Final

from service import telemetry
from service.drafts.outbox_steps import LOST
from service.drafts.redis import register_replay, revocation_replay
from service.drafts.redis import replay as redis_replay
from service.drafts.redis.answering import CHECKING
from service.drafts.redis.receipts import KEPT, SETTLED, Receipts
from service.drafts.redis.server import Server
from service.drafts.redis.steps import Steps
from service.errors import Unavailable

TRIES: Final = 5


class Remembering:
    """Keeps a server to what this host acknowledged."""

    def __init__(self, server: Server, receipts: Receipts) -> None:
        self._server = server
        self._receipts = receipts
        # Its own: a step that waits for this holds the turn of its shard.
        self._steps = Steps(server)
        self._alone = asyncio.Lock()
        self._answered_by = ""

    async def check(self) -> None:
        """Where another server answers than before, record again what was acknowledged here and it does not know.

        Unavailable U-STORE-* where that cannot be done now; the server then stays in doubt.
        """
        token = CHECKING.set(True)
        try:
            async with self._alone:
                for _ in range(TRIES):
                    if await self._checked():
                        return
                msg = "now one Redis answers and now another; check where store.url leads"
                raise Unavailable("U-STORE-UNREACHABLE", msg)
        finally:
            CHECKING.reset(token)

    async def tidy(self, now: datetime) -> None:
        """Forget old receipts, and name once what is of unknown outcome and not in the store."""
        signatures = await asyncio.to_thread(self._receipts.untold, now - SETTLED)
        for draft in await redis_replay.missing(self._steps, signatures):
            telemetry.log().warning("signature of unknown outcome is not recorded", draft=draft, code="U-STORE-UNKNOWN")
        revoked = await asyncio.to_thread(self._receipts.untold_revoked, now - SETTLED)
        for draft in await revocation_replay.missing(self._steps, revoked):
            telemetry.log().warning(
                "revocation of unknown outcome is not recorded", draft=draft, code="U-STORE-UNKNOWN"
            )
        entries = await asyncio.to_thread(self._receipts.untold_entries, now - SETTLED)
        for one in await register_replay.missing(self._server, entries):
            telemetry.log().warning("entry of unknown outcome is not recorded", register=one.id, code="U-STORE-UNKNOWN")
        await asyncio.to_thread(self._receipts.forget, now - KEPT, now - SETTLED)

    async def _checked(self) -> bool:
        answering, answered_by = self._server.answering, await self._server.identity()
        doubts = answering.expect(answered_by)
        if answered_by != self._answered_by:
            await self._signatures()
            await self._revocations()
            # After the signatures: a denial withdraws what is not signed.
            await self._entries()
            self._answered_by = answered_by
        if answering.doubts == doubts:
            answering.settle()
        return answering.doubts == doubts

    async def _signatures(self) -> None:
        receipts, revoked = await asyncio.to_thread(lambda: (self._receipts.all(), self._receipts.revoked()))
        found = await redis_replay.replay(self._steps, receipts, revoked)
        for draft, outcome in found.items():
            if outcome == "recorded":
                telemetry.log().warning("signature recorded again", draft=draft, code=redis_replay.REPLAYED)
            else:
                telemetry.log().error("signature lost", draft=draft, code=LOST)

    async def _revocations(self) -> None:
        found = await revocation_replay.replay(self._steps, await asyncio.to_thread(self._receipts.revoked))
        for draft, outcome in found.items():
            if outcome == "recorded":
                telemetry.log().warning("revocation recorded again", draft=draft, code=redis_replay.REPLAYED)
            elif outcome == "lost":
                telemetry.log().error("revocation lost", draft=draft, code=LOST)

    async def _entries(self) -> None:
        entered = await asyncio.to_thread(self._receipts.entered)
        for one, outcome in await register_replay.replay(self._server, self._steps, entered):
            if outcome == "recorded":
                telemetry.log().warning("entry recorded again", register=one.id, code=redis_replay.REPLAYED)
            elif outcome == "lost":
                telemetry.log().error("entry lost", register=one.id, code=LOST)
