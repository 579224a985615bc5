"""Rejections and attestations that were acknowledged here and that the store has forgotten: recorded again, or named.

A rejection is recorded again where its draft came back unsigned and in the version that was rejected; whatever else
became of the draft since stands. An attestation is recorded again whatever was recorded since: which one counts goes by
when each was assessed. One that keeps drafting closed withdraws what came back unsigned.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Literal

from service.drafts import claims
from service.drafts.commit import flag_steps, steps
from service.drafts.flags import Attested, NewAttestation
from service.drafts.redis.keys import batches, person, shard_of, shard_of_id
from service.drafts.redis.receipt import Rejected, Word
from service.drafts.redis.rows import UNREADABLE, unreadable
from service.drafts.redis.steps import Scope, Steps, of_draft
from service.drafts.redis.transaction import RedisTransaction
from service.drafts.states import UNSIGNED
from service.errors import Conflict, NotFound

Outcome = Literal["whole", "recorded", "lost"]


def said(ehr: str, patient: str, made: Attested) -> str:
    """Return what an attestation says and of whom, the same for the same word under another id."""
    return f"{person(ehr, patient)}:{claims.of_attestation(made)['content']}"


async def rejections(taker: Steps, receipts: Sequence[Rejected]) -> dict[str, Outcome]:
    """Hold each receipt against the store; returns what became of those that were not whole, by draft."""
    forgotten = set(await not_rejected(taker, receipts))
    found: dict[str, Outcome] = {}
    for one in receipts:
        if one.draft in forgotten:
            found[one.draft] = await _taken(taker, of_draft(one.draft), one)
    return found


async def not_rejected(taker: Steps, receipts: Sequence[Rejected]) -> list[str]:
    """Return the drafts of receipts that are not rejected in the store."""
    wanted = [one.draft for one in receipts]
    found: set[str] = set()
    for shard, drafts in batches((shard_of_id(draft), draft) for draft in wanted):
        for draft in drafts:
            tx = await _loaded(taker, Scope(shard, (draft,)))
            held = None if tx is None else tx.draft(draft).draft
            found |= {draft} if held is not None and held.state == "overridden" else set()
    return [draft for draft in wanted if draft not in found]


async def words(taker: Steps, receipts: Sequence[Word]) -> dict[str, Outcome]:
    """Hold each receipt against the store; returns what became of those that were not whole, by attestation."""
    return {one.made.id: await _taken(taker, _of(one), one) for one in await unsaid(taker, receipts)}


async def unsaid(taker: Steps, receipts: Sequence[Word]) -> list[Word]:
    """Return the receipts whose attestation is not in the store."""
    wanted: defaultdict[tuple[str, str], list[Word]] = defaultdict(list)
    for one in receipts:
        wanted[one.ehr, one.patient].append(one)
    found: list[Word] = []
    for (ehr, patient), some in wanted.items():
        tx = await _loaded(taker, _of(some[0]))
        there = {said(ehr, patient, one) for one in tx.attestations("")} if tx is not None else set[str]()
        found += [one for one in some if said(ehr, patient, one.made) not in there]
    return found


def _of(one: Word) -> Scope:
    return Scope(shard_of(one.patient), patient=person(one.ehr, one.patient))


async def _loaded(taker: Steps, scope: Scope) -> RedisTransaction | None:
    """Return what is there, None of what is not there or cannot be read: verification names it."""
    try:
        tx = RedisTransaction(await taker.load(scope))
        for draft in scope.ids:
            tx.draft(draft)
    except UNREADABLE as error:
        if isinstance(error, NotFound) or unreadable(error):
            return None
        raise
    return tx


async def _taken(taker: Steps, scope: Scope, one: Rejected | Word) -> Outcome:
    again = partial(_rejected, one=one) if isinstance(one, Rejected) else partial(_said, one=one)
    try:
        return await taker.take(scope, again)
    except UNREADABLE as error:
        if isinstance(error, Conflict | NotFound) or unreadable(error):
            return "lost"
        raise


def _rejected(tx: RedisTransaction, *, one: Rejected) -> Outcome:
    held = tx.draft(one.draft)
    if held.draft.state == "overridden":
        return "whole"
    if held.draft.state not in UNSIGNED or held.draft.version != one.version:
        return "lost"
    # Whether its time is over by now does not matter: it was not when it was rejected.
    steps.record(tx, held, "overridden", one.actor, given={**one.detail, "replayed": True})
    return "recorded"


def _said(tx: RedisTransaction, *, one: Word) -> Outcome:
    made = one.made
    new = NewAttestation(
        ehr=one.ehr,
        patient=one.patient,
        practitioner=made.practitioner,
        display=made.display,
        role=made.role,
        assessed=made.assessed,
        result=made.result,
        review_by=made.review_by,
        review_on=made.review_on,
    )
    flag_steps.attest(tx, new, {**one.detail, "replayed": True}, made.id)
    return "recorded" if tx.plan() is not None else "whole"
