"""Signatures that were acknowledged here and that the store has forgotten: recorded again, or named.

A failover to a replica that lacked the last commits, or a restored backup, brings drafts back as they were before.
Where such a draft can still be signed as it was, it is; the write-back then begins as one that may have been sent
already, so that the EHR is asked for the order before anything is written. Anything else a person has to look into.
"""

from collections.abc import Sequence
from typing import Literal

from service.drafts import outbox_steps, steps
from service.drafts.claims import of_prepared
from service.drafts.records import Signature
from service.drafts.redis.keys import batches, shard_of_id
from service.drafts.redis.receipts import Receipt
from service.drafts.redis.steps import Scope, Steps
from service.drafts.redis.transaction import RedisTransaction
from service.errors import Conflict, NotFound

Outcome = Literal["whole", "recorded", "lost"]
# What the first attempt after a replay is recorded as: whether an earlier one reached the EHR is not known.
REPLAYED = "U-STORE-REPLAYED"


async def replay(taker: Steps, receipts: Sequence[Receipt]) -> dict[str, Outcome]:
    """Hold each receipt against the store; returns what became of those that were not whole, by draft."""
    forgotten = set(await missing(taker, receipts))
    return {one.signature.draft: await _one(taker, one) for one in receipts if one.signature.draft in forgotten}


async def missing(taker: Steps, receipts: Sequence[Receipt]) -> list[str]:
    """Return the drafts of receipts whose signature is not in the store."""
    wanted = {one.signature.draft: one.signature for one in receipts}
    found: dict[str, Signature] = {}
    for shard, drafts in batches((shard_of_id(draft), draft) for draft in wanted):
        found |= (await taker.load(Scope(shard, tuple(drafts)))).signatures
    return [draft for draft, signature in wanted.items() if found.get(draft) != signature]


async def _one(taker: Steps, receipt: Receipt) -> Outcome:
    draft = receipt.signature.draft
    scope = Scope(shard_of_id(draft), (draft,), follow=True, due=draft)
    try:
        return await taker.take(scope, lambda tx: _again(tx, receipt))
    except (Conflict, NotFound):
        return "lost"


def _again(tx: RedisTransaction, receipt: Receipt) -> Outcome:
    signature, shown = receipt.signature, receipt.prepared
    if tx.signature(signature.draft) == signature:
        return "whole"
    if tx.prepared_for(shown.draft, shown.digest, shown.practitioner) is None:
        tx.add_prepared(shown)
        steps.record(tx, tx.draft(shown.draft), "prepared", shown.practitioner, of_prepared(shown))
    steps.sign(tx, signature, receipt.write_back, {**receipt.detail, "replayed": True})
    if receipt.write_back:
        entry = outbox_steps.claim(tx, 0)
        if entry is not None:
            outbox_steps.finish(tx, entry, "write-failed", {"code": REPLAYED}, 0)
    return "recorded"
