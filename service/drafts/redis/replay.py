"""Signatures that were acknowledged here and that the store has forgotten: recorded again, or named.

A failover to a replica that lacked the last commits, or a restored backup, brings drafts back as they were before.
Where such a draft can still be signed as it was, it is; the write-back then begins as one that may have been sent
already, so that the EHR is asked for the order before anything is written. Anything else a person has to look into.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from service.drafts.claims import of_prepared
from service.drafts.commit import outbox_steps, steps
from service.drafts.records import Signature
from service.drafts.redis import revocation_replay
from service.drafts.redis.keys import batches, shard_of_id
from service.drafts.redis.receipt import Revoked, Signed
from service.drafts.redis.rows import UNREADABLE, unreadable
from service.drafts.redis.steps import Scope, Steps
from service.drafts.redis.transaction import RedisTransaction
from service.errors import Conflict, NotFound

Outcome = Literal["whole", "recorded", "lost"]
# What the first attempt after a replay is recorded as: whether an earlier one reached the EHR is not known.
REPLAYED: Final = "U-STORE-REPLAYED"
# What an earlier attempt sent just before is looked for only after this: search indexes of EHRs run behind.
SETTLE_S: Final = 30


async def replay(taker: Steps, receipts: Sequence[Signed], revoked: Sequence[Revoked]) -> dict[str, Outcome]:
    """Hold each receipt against the store; returns what became of those that were not whole, by draft.

    What was signed and then ``revoked`` is so again in one step: in between another host might write it.
    """
    forgotten, ended = set(await missing(taker, receipts)), {one.draft: one for one in revoked}
    lost = [one for one in receipts if one.signature.draft in forgotten]
    return {one.signature.draft: await _one(taker, one, ended.get(one.signature.draft)) for one in lost}


async def missing(taker: Steps, receipts: Sequence[Signed]) -> list[str]:
    """Return the drafts of receipts whose signature is not in the store."""
    wanted = {one.signature.draft: one.signature for one in receipts}
    found: dict[str, Signature] = {}
    for shard, drafts in batches((shard_of_id(draft), draft) for draft in wanted):
        found |= await _signatures(taker, shard, drafts)
    return [draft for draft, signature in wanted.items() if found.get(draft) != signature]


async def _signatures(taker: Steps, shard: int, drafts: Sequence[str]) -> Mapping[str, Signature]:
    """Return the signatures of drafts, none of one that cannot be read: verification names it."""
    try:
        return (await taker.load(Scope(shard, tuple(drafts)))).signatures
    except UNREADABLE as error:
        if not unreadable(error):
            raise
    if len(drafts) == 1:
        return {}
    return {name: found for one in drafts for name, found in (await _signatures(taker, shard, [one])).items()}


async def _one(taker: Steps, receipt: Signed, revoked: Revoked | None) -> Outcome:
    draft = receipt.signature.draft
    scope = Scope(shard_of_id(draft), (draft,), follow=True, due=draft)
    try:
        return await taker.take(scope, lambda tx: _again(tx, receipt, revoked))
    except UNREADABLE as error:
        if isinstance(error, Conflict | NotFound) or unreadable(error):
            return "lost"
        raise


def _again(tx: RedisTransaction, receipt: Signed, revoked: Revoked | None) -> Outcome:
    signature, shown = receipt.signature, receipt.prepared
    if tx.signature(signature.draft) == signature:
        return "whole"
    if tx.prepared_for(shown.draft, shown.digest, shown.practitioner) is None:
        tx.add_prepared(shown)
        steps.record(tx, tx.draft(shown.draft), "prepared", shown.practitioner, of_prepared(shown))
    steps.sign(tx, signature, receipt.write_back, {**receipt.detail, "replayed": True})
    if revoked is not None:
        revocation_replay.revoke(tx, revoked)
    elif receipt.write_back:
        entry = outbox_steps.claim(tx, 0)
        if entry is not None:
            outbox_steps.finish(tx, entry, "write-failed", {"code": REPLAYED}, SETTLE_S)
    return "recorded"
