"""The steps that settle what the outbox does not: the EHR was read, or an operator gave a word."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from service.drafts.audit import SERVICE_ACTOR
from service.drafts.canonical_json import instant
from service.drafts.commit import outbox_steps
from service.drafts.commit.outbox_steps import ORDER_STEP, RESTORED
from service.drafts.commit.steps import record
from service.drafts.commit.transaction import Held, Transaction
from service.drafts.records import Draft
from service.drafts.states import AWAITING, TO_WRITE, UNSIGNED, Event
from service.errors import Conflict, NotFound

Read = Literal["confirmed", "superseded", "expired"]
Word = Literal["released", "resolved", "revoked"]
_WRITING: Final = "this order is being written to the EHR, or was a moment ago; read it again in half a minute"
# What has our signature does not end by itself: a person looks.
_SIGNED_ENDS: Final[Mapping[Read, Event]] = {"confirmed": "confirmed", "superseded": "mismatch", "expired": "parked"}


def settle(tx: Transaction, draft: str, ending: Read | Word, actor: str, detail: Mapping[str, Any]) -> Draft:
    """End a wait for the EHR's signature by what was read there, or a stuck write-back by an operator's word.

    Conflict U-DRAFT-STATE where the draft has moved on, U-ORDER-WRITING for a word while it is being written or after
    it was tried again, U-RELEASE-WRITTEN for ``revoked`` where the EHR has made
    something of it; NotFound U-OUTBOX-UNKNOWN for a word on a draft without a write-back.
    """
    if ending in ("released", "resolved", "revoked"):
        return _word(tx, draft, ending, actor, detail)
    held, row = tx.draft(draft), tx.outbox(draft)
    if held.draft.state != AWAITING:
        raise Conflict("U-DRAFT-STATE", f"this draft is {held.draft.state}; read it again")
    event = ending if tx.signature(draft) is None else _SIGNED_ENDS[ending]
    if row is not None:
        tx.put_outbox(draft, replace(row, due=None, lease=None))
    return record(tx, held, event, actor, {"due": None}, detail).draft


def check_not_writing(draft: Draft) -> None:
    """Raise Conflict U-ORDER-WRITING while an attempt is under way: nobody can say yet what the EHR makes of it."""
    if draft.state == "writing":
        raise Conflict("U-ORDER-WRITING", _WRITING)


def end_restored(tx: Transaction, draft: str) -> None:
    """End what a store from a backup must not go on with by itself, since what was decided after the backup is lost.

    What is unsigned is withdrawn; an order that is still to be written is parked, as one that may have been sent.
    """
    held = tx.draft(draft)
    if held.draft.state in UNSIGNED:
        record(tx, held, "withdrawn", SERVICE_ACTOR, given={"code": RESTORED})
    elif held.draft.state in TO_WRITE and tx.outbox(draft) is not None:
        outbox_steps.finish(tx, outbox_steps.claim_one(tx, draft, 0), "parked", {"code": RESTORED}, 0)


def _unqueued(tx: Transaction, held: Held, word: Word, actor: str, detail: Mapping[str, Any]) -> Draft:
    """End what an earlier version signed and queued nothing of: a person has seen whether the EHR has it."""
    if held.draft.state != "signed" or word == "released":
        raise NotFound("U-OUTBOX-UNKNOWN", "this draft has no write-back that could be released; see drafts show")
    return record(tx, held, word, actor, {"due": None}, detail).draft


def _word(tx: Transaction, draft: str, word: Word, actor: str, detail: Mapping[str, Any]) -> Draft:
    held, row = tx.draft(draft), tx.outbox(draft)
    if row is None:
        return _unqueued(tx, held, word, actor, detail)
    if word == "resolved" and held.draft.state == "signed":
        raise Conflict("U-DRAFT-STATE", "this draft is signed and is written in a moment; read it again")
    if word == "revoked" and ORDER_STEP in row.progress:
        msg = "the EHR has made an order of it; end that order in the EHR, then release it with --resolved"
        raise Conflict("U-RELEASE-WRITTEN", msg)
    check_not_writing(held.draft)
    if word == "revoked" and detail.get("attempts") != row.attempts:
        raise Conflict("U-ORDER-WRITING", _WRITING)
    due = instant(tx.now) if word == "released" else None
    tx.put_outbox(draft, replace(row, due=due, lease=None))
    return record(tx, held, word, actor, {"due": due}, detail).draft
