"""What this host acknowledged, held against the server that answers now: at start, and whenever that is another one.

Another server, or the same one started again, may have forgotten the last commits. Whatever first meets the broken
connection waits until the receipts have been held against the new one, and is asked again only then: so nothing is
decided on a store that lacks a denial or a stop which this host had acknowledged.
"""

import asyncio
from datetime import datetime
from typing import Final, TypeVar

from service import telemetry
from service.drafts.commit.outbox_steps import LOST
from service.drafts.redis import claim_doubt, register_replay, revocation_replay, word_replay
from service.drafts.redis import replay as redis_replay
from service.drafts.redis.answering import CHECKING
from service.drafts.redis.receipt import Acknowledged, Receipt, Rejected, Revoked, Signed, Word
from service.drafts.redis.receipts import KEPT, SETTLED, Receipts
from service.drafts.redis.replay import Outcome
from service.drafts.redis.server import Server
from service.drafts.redis.steps import Steps
from service.drafts.registers import Registered
from service.errors import Unavailable

T = TypeVar("T", bound=Receipt)
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
        before = now - SETTLED
        for draft in await redis_replay.missing(self._steps, await self._untold(Signed, before)):
            _unknown("signature", draft=draft)
        for draft in await revocation_replay.missing(self._steps, await self._untold(Revoked, before)):
            _unknown("revocation", draft=draft)
        for draft in await word_replay.not_rejected(self._steps, await self._untold(Rejected, before)):
            _unknown("rejection", draft=draft)
        for word in await word_replay.unsaid(self._steps, await self._untold(Word, before)):
            _unknown("attestation", attestation=word.made.id)
        for one in await register_replay.missing(self._server, await self._untold(Registered, before)):
            _unknown("entry", register=one.id)
        await asyncio.to_thread(self._receipts.forget, now - KEPT, before)

    async def _untold(self, kind: type[T], before: datetime) -> list[T]:
        return await asyncio.to_thread(self._receipts.untold, kind, before)

    async def _checked(self) -> bool:
        answering, answered_by = self._server.answering, await self._server.identity()
        doubts = answering.expect(answered_by)
        if answered_by != self._answered_by:
            told, before = await asyncio.to_thread(lambda: (self._receipts.acknowledged(), self._receipts.server()))
            await self._replayed(told)
            if before not in ("", answered_by):
                for draft in await claim_doubt.doubt(self._server, self._steps):
                    telemetry.log().warning("order may have been sent", draft=draft, code=redis_replay.REPLAYED)
            await asyncio.to_thread(self._receipts.answered_by, answered_by)
            self._answered_by = answered_by
        if answering.doubts == doubts:
            answering.settle()
        return answering.doubts == doubts

    async def _replayed(self, told: Acknowledged) -> None:
        """Record again what is missing, in an order in which none ends what another one needs.

        A signature ends the patient's other drafts, those that were rejected too; an attestation and a denial end what
        is not signed.
        """
        for draft, outcome in (await word_replay.rejections(self._steps, told.rejected)).items():
            _became(outcome, "rejection", draft=draft)
        for draft, outcome in (await redis_replay.replay(self._steps, told.signed, told.revoked)).items():
            _became(outcome, "signature", draft=draft)
        for draft, outcome in (await revocation_replay.replay(self._steps, told.revoked)).items():
            _became(outcome, "revocation", draft=draft)
        for word, outcome in (await word_replay.words(self._steps, told.attested)).items():
            _became(outcome, "attestation", attestation=word)
        for one, outcome in await register_replay.replay(self._server, self._steps, told.entered):
            _became(outcome, "entry", register=one.id)


def _became(outcome: Outcome, what: str, **which: str) -> None:
    if outcome == "recorded":
        telemetry.log().warning(f"{what} recorded again", **which, code=redis_replay.REPLAYED)
    elif outcome == "lost":
        telemetry.log().error(f"{what} lost", **which, code=LOST)


def _unknown(what: str, **which: str) -> None:
    telemetry.log().warning(f"{what} of unknown outcome is not recorded", **which, code="U-STORE-UNKNOWN")
