"""The steps that settle what the outbox does not: the EHR was read, or an operator gave a word."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from service.drafts.canonical_json import instant
from service.drafts.outbox_steps import ORDER_STEP
from service.drafts.records import Draft
from service.drafts.states import AWAITING, Event
from service.drafts.steps import record
from service.drafts.transaction import Transaction
from service.errors import Conflict, NotFound

Read = Literal["confirmed", "superseded", "expired"]
Word = Literal["released", "resolved", "revoked"]
# What has our signature does not end by itself: a person looks.
_SIGNED_ENDS: Final[Mapping[Read, Event]] = {"confirmed": "confirmed", "superseded": "mismatch", "expired": "parked"}


def settle(tx: Transaction, draft: str, ending: Read | Word, actor: str, detail: Mapping[str, Any]) -> Draft:
    """End a wait for the EHR's signature by what was read there, or a stuck write-back by an operator's word.

    Conflict U-DRAFT-STATE where the draft has moved on, U-RELEASE-WRITTEN for ``revoked`` where the EHR has made
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


def _word(tx: Transaction, draft: str, word: Word, actor: str, detail: Mapping[str, Any]) -> Draft:
    held, row = tx.draft(draft), tx.outbox(draft)
    if row is None:
        raise NotFound("U-OUTBOX-UNKNOWN", "this draft has no write-back, so there is nothing to release")
    if word == "revoked" and ORDER_STEP in row.progress:
        msg = "the EHR has made an order of it; end that order in the EHR, then release it with --resolved"
        raise Conflict("U-RELEASE-WRITTEN", msg)
    if word == "revoked" and detail.get("attempts") != row.attempts:
        raise Conflict("U-DRAFT-STATE", "this draft was tried again meanwhile; read it again")
    due = instant(tx.now) if word == "released" else None
    tx.put_outbox(draft, replace(row, due=due, lease=None))
    return record(tx, held, word, actor, {"due": due}, detail).draft
