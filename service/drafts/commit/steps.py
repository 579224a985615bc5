"""The writing steps on drafts, each inside one transaction of a store.

Every change to a draft goes through ``record``: the table of states decides, and the new state and its audit
entry are written together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from service.drafts import claims, states
from service.drafts.audit import SERVICE_ACTOR, seal
from service.drafts.canonical_json import digest, dumps, instant, load_object
from service.drafts.commit import checks
from service.drafts.commit.transaction import Held, Outbox, Transaction
from service.drafts.records import Draft, NewDraft, Prepared, Shown, Signature, State
from service.drafts.states import AWAITING, MARKS, SIGNED, UNSIGNED, Event
from service.errors import Conflict


@dataclass(frozen=True, slots=True)
class Holding:
    """One assessment's drafts to hold, as ``Store.hold`` takes them."""

    ehr: str
    patient: str
    facts: str
    drafts: Sequence[NewDraft]
    expires_after_s: int
    actor: str
    shown: Shown | None = None


def record(
    tx: Transaction,
    held: Held,
    event: Event,
    actor: str,
    said: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Held:
    """Move the draft by ``event`` and write its audit entry: ``said`` by the store, ``given`` by the caller.

    Conflict U-DRAFT-STATE where the table of states does not allow it. A ``comment`` among ``given`` is kept
    beside the chain, which has its digest.
    """
    draft, first = held.draft, held.seq == 0
    state = states.after(event, None if first else draft.state)
    if state is None:
        raise Conflict("U-DRAFT-STATE", f"this draft is {draft.state}; read it again")
    detail = {**(said or {}), "state": state}
    if given:
        detail["given"] = _without_comment(given)
    comment = str(given["comment"]) if given and "comment" in given else None
    entry = seal(None if first else (held.seq, held.head), draft.id, tx.now, event, actor, detail)
    version = detail["version"] if event == "modified" else draft.version
    moved = tx.advance(held, replace(draft, state=state, version=version, updated=tx.now), entry, comment)
    if draft.state in UNSIGNED and state not in UNSIGNED:
        tx.drop_prepared(draft.id)
    return moved


def hold(tx: Transaction, new: Holding) -> list[Draft]:
    """Hold new drafts, or return those that these facts already have; other facts' drafts are superseded."""
    if len({draft.rank for draft in new.drafts}) != len(new.drafts):
        raise Conflict("U-DRAFT-RANK", "the drafts of one assessment have ranks of their own")
    for held in tx.open_of(new.ehr, new.patient):
        if tx.now >= held.draft.expires:
            record(tx, held, "expired", SERVICE_ACTOR)
        elif held.draft.facts != new.facts:
            record(tx, held, "superseded", new.actor, {"by": new.facts})
    drafts, answered = _standing(tx, new)
    if not (drafts or answered):
        drafts = [_insert(tx, new, one) for one in sorted(new.drafts, key=lambda one: one.rank)]
    return _presented(tx, new.ehr, drafts, new.shown) if new.shown and drafts else drafts


def mark(tx: Transaction, ids: Sequence[str], state: State, actor: str, detail: Mapping[str, Any]) -> None:
    """Move unsigned drafts to ``state``; those there or past it stay, and the event is recorded.

    To wait for the EHR's own signature is to be accepted first, in the same step.
    """
    if state not in MARKS:
        raise Conflict("U-DRAFT-STATE", f"a draft is not marked {state}; only a step of its own leads there")
    event: Event = "accepted" if state == AWAITING else state  # type: ignore[assignment]
    for draft in dict.fromkeys(ids):
        held = tx.draft(draft)
        if held.draft.state in UNSIGNED and tx.now >= held.draft.expires:
            held = record(tx, held, "expired", SERVICE_ACTOR)
        held = record(tx, held, event, actor, given=detail)
        if state == AWAITING and held.draft.state in ("accepted", "modified"):
            record(tx, held, "awaited", SERVICE_ACTOR)


def prepare(tx: Transaction, expected_version: int, prepared: Prepared, resource: bytes | None) -> None:
    """Keep the bytes shown; an edited draft becomes the next version and ends the bytes of the old."""
    held = tx.draft(prepared.draft)
    known = tx.prepared_for(prepared.draft, prepared.digest, prepared.practitioner)
    if known == prepared and held.draft.version == prepared.version and held.draft.state in UNSIGNED:
        return
    checks.preparable(held.draft, expected_version, prepared, resource is not None, tx.now)
    if resource is not None:
        identified = _identified(resource, prepared.draft)
        tx.add_revision(prepared.draft, prepared.version, identified)
        held = record(tx, held, "modified", prepared.practitioner, claims.of_revision(prepared.version, identified))
        tx.drop_prepared(prepared.draft)
    tx.add_prepared(prepared)
    record(tx, held, "prepared", prepared.practitioner, claims.of_prepared(prepared))


def sign(tx: Transaction, signature: Signature, write_back: bool, detail: Mapping[str, Any]) -> Draft:
    """Record the signature, move to ``signed`` and queue the write-back; what it was chosen over is superseded."""
    held = tx.draft(signature.draft)
    shown = tx.prepared_for(signature.draft, signature.digest, signature.practitioner)
    checks.signable(held.draft, shown, signature, tx.now)
    tx.add_signature(signature)
    acknowledged = digest(dumps(list(shown.acknowledgements if shown else ())))
    said = {**claims.of_signature(signature), "acknowledged": acknowledged, "write_back": write_back}
    held = record(tx, held, "signed", signature.practitioner, said, detail)
    if write_back:
        tx.put_outbox(signature.draft, Outbox(instant(tx.now), 0, None, {}))
    for other in tx.open_of(held.draft.ehr, held.draft.patient):
        record(tx, other, "superseded", signature.practitioner, {"by": signature.draft})
    return held.draft


def check_not_pending(tx: Transaction, draft: Draft) -> None:
    """Refuse an unsigned draft beside another that may be ordered already: Conflict U-ORDER-PENDING.

    What an EHR shows of orders says nothing of one that was accepted or signed in this very moment.
    """
    pending = any(one.draft.id != draft.id for one in tx.unconfirmed_of(draft.ehr, draft.patient))
    if pending and draft.state in UNSIGNED:
        msg = "another order of this patient was signed or accepted and is not confirmed in the EHR; see to it first"
        raise Conflict("U-ORDER-PENDING", msg)


def reject(tx: Transaction, draft: str, expected_version: int | None, actor: str, detail: Mapping[str, Any]) -> Draft:
    """End an unsigned draft as ``overridden``."""
    held = tx.draft(draft)
    checks.unsigned(held.draft, tx.now)
    if expected_version is not None:
        checks.version(held.draft, expected_version)
    return record(tx, held, "overridden", actor, given=detail).draft


def note(tx: Transaction, draft: str, event: Event, actor: str, detail: Mapping[str, Any]) -> Draft:
    """Record something that leaves an unsigned draft as it is."""
    held = tx.draft(draft)
    checks.unsigned(held.draft, tx.now)
    return record(tx, held, event, actor, given=detail).draft


def expire(tx: Transaction) -> int:
    """End unsigned drafts past their time; returns how many, 0 only where none is left."""
    found = tx.overdue()
    for held in found:
        record(tx, held, "expired", SERVICE_ACTOR)
    return len(found)


def card(tx: Transaction, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
    """Remember a card's drafts; the same card again changes nothing, another content is U-CARD-CHANGED."""
    known, said = tx.card(uuid), claims.of_card(uuid, ehr, drafts, detail)
    if known == said:
        return
    if known is not None:
        raise Conflict("U-CARD-CHANGED", "a card with this uuid was shown with another content")
    tx.add_card(uuid, ehr, drafts, detail)
    for draft in dict.fromkeys(drafts):
        record(tx, tx.draft(draft), "shown", SERVICE_ACTOR, said)


def _presented(tx: Transaction, ehr: str, drafts: Sequence[Draft], shown: Shown) -> list[Draft]:
    ids = [draft.id for draft in drafts]
    mark(tx, ids, "presented", shown.actor, shown.detail)
    card(tx, shown.uuid, ehr, ids, shown.detail)
    return [tx.draft(draft).draft for draft in ids]


def _standing(tx: Transaction, new: Holding) -> tuple[list[Draft], bool]:
    """Return the open drafts of these facts, and whether a clinician already answered any of them."""
    found = [held.draft for held in tx.of_facts(new.ehr, new.patient, new.facts) if tx.now < held.draft.expires]
    standing = [draft for draft in found if draft.state in UNSIGNED]
    return standing, any(draft.state in ("overridden", *SIGNED) for draft in found)


def _insert(tx: Transaction, new: Holding, draft: NewDraft) -> Draft:
    identity = tx.new_id(new.patient)
    held = tx.add(
        Draft(
            id=identity,
            ehr=new.ehr,
            patient=new.patient,
            facts=new.facts,
            ingredient=draft.ingredient,
            rank=draft.rank,
            state="held",
            version=1,
            resource=_identified(draft.resource, identity),
            context=draft.context,
            created=tx.now,
            expires=tx.now + timedelta(seconds=new.expires_after_s),
            updated=tx.now,
        )
    )
    said = {**claims.of_draft(held.draft), **claims.of_revision(held.draft.version, held.draft.resource)}
    return record(tx, held, "held", new.actor, said).draft


def _identified(resource: bytes, identity: str) -> bytes:
    return dumps({**load_object(resource), "id": identity})


def _without_comment(given: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(given)
    if "comment" in kept:
        kept["comment"] = claims.of_comment(str(kept["comment"]))
    return kept
