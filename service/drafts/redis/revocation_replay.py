"""Revocations that were acknowledged here and that the store has forgotten: recorded again, before anything is written.

A failover that lost a revocation brings the signed order back as one to write. It is revoked again where nothing was
done with it since. Where something was, or the EHR has made something of it, it is parked for a person, and named.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

from service.drafts import states
from service.drafts.commit import outbox_steps, settling
from service.drafts.commit.outbox_steps import LOST, ORDER_STEP
from service.drafts.records import Draft
from service.drafts.redis.keys import batches, shard_of_id
from service.drafts.redis.receipt import Revoked
from service.drafts.redis.rows import UNREADABLE, unreadable
from service.drafts.redis.steps import Scope, Steps
from service.drafts.redis.transaction import RedisTransaction
from service.drafts.states import TO_WRITE
from service.errors import Conflict, NotFound

Outcome = Literal["whole", "recorded", "lost"]


async def replay(taker: Steps, receipts: Sequence[Revoked]) -> dict[str, Outcome]:
    """Hold each receipt against the store; returns what became of those that were not whole, by draft."""
    forgotten = set(await missing(taker, receipts))
    return {one.draft: await _one(taker, one) for one in receipts if one.draft in forgotten}


async def missing(taker: Steps, receipts: Sequence[Revoked]) -> list[str]:
    """Return the drafts of receipts that are not revoked in the store."""
    wanted = [one.draft for one in receipts]
    found: set[str] = set()
    for shard, drafts in batches((shard_of_id(draft), draft) for draft in wanted):
        for draft in drafts:
            found |= {draft} if await _is_revoked(taker, shard, draft) else set()
    return [draft for draft in wanted if draft not in found]


async def _is_revoked(taker: Steps, shard: int, draft: str) -> bool:
    try:
        tx = RedisTransaction(await taker.load(Scope(shard, (draft,))))
        return tx.draft(draft).draft.state == "revoked"
    except UNREADABLE as error:
        if isinstance(error, NotFound) or unreadable(error):
            return False
        raise


async def _one(taker: Steps, receipt: Revoked) -> Outcome:
    draft = receipt.draft
    try:
        return await taker.take(Scope(shard_of_id(draft), (draft,), due=draft), partial(_again, receipt=receipt))
    except UNREADABLE as error:
        if isinstance(error, Conflict | NotFound) or unreadable(error):
            return "lost"
        raise


def _again(tx: RedisTransaction, *, receipt: Revoked) -> Outcome:
    held, row = tx.draft(receipt.draft).draft, tx.outbox(receipt.draft)
    if held.state == "revoked":
        return "whole"
    revocable = states.after("revoked", held.state) is not None and (row is None or ORDER_STEP not in row.progress)
    if held.updated <= receipt.at and revocable:
        revoke(tx, receipt)
        return "recorded"
    if held.state in TO_WRITE and row is not None:
        entry = outbox_steps.claim_one(tx, receipt.draft, 0)
        outbox_steps.finish(tx, entry, "parked", {"code": LOST}, 0)
    return "lost"


def revoke(tx: RedisTransaction, receipt: Revoked) -> Draft:
    """Revoke a signed draft again, as it was said; Conflict U-DRAFT-STATE where it cannot be any more."""
    row = tx.outbox(receipt.draft)
    detail = {**receipt.detail, "replayed": True, "attempts": row.attempts if row else 0}
    return settling.settle(tx, receipt.draft, "revoked", receipt.actor, detail)
