"""Orders whose first claim a failover may have forgotten: taken as ones that may have been sent.

Of an order that has been claimed before, a writer first looks for one that lost its identifier (``ehr.delivery``). A
failover that forgets the first claim brings the order back as one that nobody ever claimed, and an EHR that drops
identifiers would be given it twice. So each that looks so is recorded as claimed, and failed, before anything is asked
of the server that took over.
"""

from functools import partial
from typing import Final

from service.drafts.commit import outbox_steps
from service.drafts.redis import reads as redis_reads
from service.drafts.redis import replay
from service.drafts.redis.rows import UNREADABLE, unreadable
from service.drafts.redis.server import Server
from service.drafts.redis.steps import Steps, of_draft
from service.drafts.redis.transaction import RedisTransaction
from service.errors import Conflict, NotFound

_ALL: Final = 10**9


async def doubt(server: Server, taker: Steps) -> list[str]:
    """Record of each order that nobody seems to have claimed that it may have been; returns their drafts."""
    found: list[str] = []
    for draft in await redis_reads.find(server, taker, None, None, ("signed",), _ALL):
        try:
            if await taker.take(of_draft(draft.id), partial(_doubted, draft=draft.id)):
                found.append(draft.id)
        except UNREADABLE as error:
            # Claimed meanwhile by one who has looked; what cannot be read is named by verification, and never claimed.
            if not (isinstance(error, Conflict | NotFound) or unreadable(error)):
                raise
    return found


def _doubted(tx: RedisTransaction, *, draft: str) -> bool:
    row = tx.outbox(draft)
    if tx.draft(draft).draft.state != "signed" or row is None or row.attempts:
        return False
    entry = outbox_steps.claim_one(tx, draft, 0)
    outbox_steps.finish(tx, entry, "write-failed", {"code": replay.REPLAYED}, replay.SETTLE_S)
    return True
