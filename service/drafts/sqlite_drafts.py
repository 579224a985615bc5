"""The writing steps on drafts, each a function that runs inside one transaction of the writer.

``now`` is the store's clock, read inside that transaction.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from service.drafts import checks, claims, sqlite_rows
from service.drafts.audit import SERVICE_ACTOR
from service.drafts.canonical_json import digest, dumps, instant, load_object
from service.drafts.sqlite_rows import marks, record
from service.drafts.states import MARKS, SIGNED, UNSIGNED, Event
from service.drafts.store import Draft, NewDraft, Prepared, Shown, Signature, State
from service.errors import Conflict

SWEEP: Final = 500
_OPEN: Final = f"d.state IN ({marks(UNSIGNED)})"


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


def hold(connection: sqlite3.Connection, now: datetime, new: Holding) -> list[Draft]:
    """Hold new drafts, or return those that these facts already have; other facts' drafts are superseded."""
    ranks = {draft.rank for draft in new.drafts}
    if len(ranks) != len(new.drafts):
        raise Conflict("U-DRAFT-RANK", "the drafts of one assessment have ranks of their own")
    of_patient = f"WHERE {_OPEN} AND d.ehr = ? AND d.patient = ?"
    for held in sqlite_rows.select(connection, of_patient, (*UNSIGNED, new.ehr, new.patient)):
        if now >= held.draft.expires:
            record(connection, held, "expired", SERVICE_ACTOR, now)
        elif held.draft.facts != new.facts:
            record(connection, held, "superseded", new.actor, now, {"by": new.facts})
    drafts, answered = _standing(connection, now, new)
    if not (drafts or answered):
        drafts = [_insert(connection, now, new, one) for one in sorted(new.drafts, key=lambda one: one.rank)]
    return _presented(connection, now, new.ehr, drafts, new.shown) if new.shown and drafts else drafts


def _presented(
    connection: sqlite3.Connection, now: datetime, ehr: str, drafts: Sequence[Draft], shown: Shown
) -> list[Draft]:
    ids = [draft.id for draft in drafts]
    mark(connection, now, ids, "presented", shown.actor, shown.detail)
    card(connection, now, shown.uuid, ehr, ids, shown.detail)
    return [sqlite_rows.load(connection, draft).draft for draft in ids]


def mark(
    connection: sqlite3.Connection,
    now: datetime,
    ids: Sequence[str],
    state: State,
    actor: str,
    detail: Mapping[str, Any],
) -> None:
    """Move unsigned drafts to ``state``; those there or past it stay, and the event is recorded."""
    if state not in MARKS:
        raise Conflict("U-DRAFT-STATE", f"a draft is not marked {state}; only a step of its own leads there")
    event: Event = state  # type: ignore[assignment]
    for draft in dict.fromkeys(ids):
        held = sqlite_rows.load(connection, draft)
        if held.draft.state in UNSIGNED and now >= held.draft.expires:
            held = record(connection, held, "expired", SERVICE_ACTOR, now)
        record(connection, held, event, actor, now, given=detail)


def prepare(
    connection: sqlite3.Connection,
    now: datetime,
    expected_version: int,
    prepared: Prepared,
    resource: bytes | None,
) -> None:
    """Keep the bytes shown; an edited draft becomes the next version and ends the bytes of the old."""
    held = sqlite_rows.load(connection, prepared.draft)
    known = sqlite_rows.prepared_for(connection, prepared.draft, prepared.digest, prepared.practitioner)
    if known == prepared and held.draft.version == prepared.version and held.draft.state in UNSIGNED:
        return
    checks.preparable(held.draft, expected_version, prepared, resource is not None, now)
    if resource is not None:
        identified = _identified(resource, prepared.draft)
        sqlite_rows.insert_revision(connection, prepared.draft, prepared.version, identified)
        said = claims.of_revision(prepared.version, identified)
        held = record(connection, held, "edited", prepared.practitioner, now, said)
        connection.execute("DELETE FROM prepared WHERE draft = ?", (prepared.draft,))
    sqlite_rows.insert_prepared(connection, prepared)
    record(connection, held, "prepared", prepared.practitioner, now, claims.of_prepared(prepared))


def sign(
    connection: sqlite3.Connection,
    now: datetime,
    signature: Signature,
    write_back: bool,
    detail: Mapping[str, Any],
) -> Draft:
    """Record the signature, move to ``signed`` and queue the write-back; what it was chosen over is superseded."""
    held = sqlite_rows.load(connection, signature.draft)
    shown = sqlite_rows.prepared_for(connection, signature.draft, signature.digest, signature.practitioner)
    checks.signable(held.draft, shown, signature, now)
    sqlite_rows.insert_signature(connection, signature)
    acknowledged = digest(dumps(list(shown.acknowledgements if shown else ())))
    said = {**claims.of_signature(signature), "acknowledged": acknowledged, "write_back": write_back}
    held = record(connection, held, "signed", signature.practitioner, now, said, detail)
    if write_back:
        connection.execute("INSERT INTO outbox VALUES (?, ?, 0, NULL, '{}')", (signature.draft, instant(now)))
    of_patient = f"WHERE {_OPEN} AND d.ehr = ? AND d.patient = ?"
    for other in sqlite_rows.select(connection, of_patient, (*UNSIGNED, held.draft.ehr, held.draft.patient)):
        record(connection, other, "superseded", signature.practitioner, now, {"by": signature.draft})
    return held.draft


def reject(
    connection: sqlite3.Connection,
    now: datetime,
    draft: str,
    expected_version: int | None,
    actor: str,
    detail: Mapping[str, Any],
) -> Draft:
    """End an unsigned draft as ``overridden``."""
    held = sqlite_rows.load(connection, draft)
    checks.unsigned(held.draft, now)
    if expected_version is not None:
        checks.version(held.draft, expected_version)
    return record(connection, held, "overridden", actor, now, given=detail).draft


def expire(connection: sqlite3.Connection, now: datetime) -> int:
    """End up to ``SWEEP`` unsigned drafts past their time; returns how many."""
    overdue = f"WHERE {_OPEN} AND d.expires <= ? LIMIT {SWEEP}"
    found = sqlite_rows.select(connection, overdue, (*UNSIGNED, instant(now)))
    for held in found:
        record(connection, held, "expired", SERVICE_ACTOR, now)
    return len(found)


def card(
    connection: sqlite3.Connection,
    now: datetime,
    uuid: str,
    ehr: str,
    drafts: Sequence[str],
    detail: Mapping[str, Any],
) -> None:
    """Remember a card's drafts; the same card again changes nothing, another content is U-CARD-CHANGED."""
    row = (uuid, ehr, dumps(list(drafts)).decode(), dumps(detail).decode())
    known = connection.execute("SELECT uuid, ehr, drafts, detail FROM card WHERE uuid = ?", (uuid,)).fetchone()
    if known == row:
        return
    if known is not None:
        raise Conflict("U-CARD-CHANGED", "a card with this uuid was shown with another content")
    connection.execute("INSERT INTO card VALUES (?, ?, ?, ?)", row)
    said = claims.of_card(uuid, ehr, drafts, detail)
    for draft in dict.fromkeys(drafts):
        record(connection, sqlite_rows.load(connection, draft), "shown", SERVICE_ACTOR, now, said)


def _standing(connection: sqlite3.Connection, now: datetime, new: Holding) -> tuple[list[Draft], bool]:
    """Return the open drafts of these facts, and whether a clinician already answered any of them."""
    same = "WHERE d.ehr = ? AND d.patient = ? AND d.facts = ? AND d.expires > ? ORDER BY d.rank"
    found = sqlite_rows.select(connection, same, (new.ehr, new.patient, new.facts, instant(now)))
    standing = [held.draft for held in found if held.draft.state in UNSIGNED]
    return standing, any(held.draft.state in ("overridden", *SIGNED) for held in found)


def _insert(connection: sqlite3.Connection, now: datetime, new: Holding, draft: NewDraft) -> Draft:
    identity = str(uuid4())
    held = Draft(
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
        created=now,
        expires=now + timedelta(seconds=new.expires_after_s),
        updated=now,
    )
    return sqlite_rows.insert(connection, held, new.actor)


def _identified(resource: bytes, identity: str) -> bytes:
    return dumps({**load_object(resource), "id": identity})
