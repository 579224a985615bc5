"""Flags in the SQLite store: the writing steps, each inside one transaction of the writer, and the reads.

An entry of a flag's chain and the row that it speaks of are written together; ``flag_verification`` reads both.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from service.drafts import claims, sqlite_drafts, sqlite_rows
from service.drafts.audit import GENESIS, SERVICE_ACTOR, seal
from service.drafts.canonical_json import dumps, instant, loads, read_instant
from service.drafts.flags import Alarm, Attested, Flag, FlagEvent, NewAttestation
from service.drafts.sqlite_rows import marks
from service.drafts.states import UNSIGNED
from service.drafts.store import AuditEntry, Draft, Shown
from service.errors import Conflict, NotFound

_FLAG: Final = "SELECT id, ehr, patient, created, seq, head FROM flag "
_ALARM: Final = (
    "SELECT a.flag, a.seq, a.facts, a.context, e.at FROM alarm a"
    " JOIN flag_audit e ON e.flag = a.flag AND e.seq = a.seq WHERE a.flag = ? ORDER BY a.seq"
)
_ATTESTED: Final = (
    "SELECT a.id, a.flag, a.seq, a.practitioner, a.display, a.role, a.assessed, a.result, a.review_by, a.review_on,"
    " e.at FROM attestation a JOIN flag_audit e ON e.flag = a.flag AND e.seq = a.seq "
)
_AUDIT: Final = "SELECT flag, seq, at, event, actor, detail, previous, hash FROM flag_audit WHERE flag = ? ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Raising:
    """A flag to raise, as ``FlagStore.raise_flag`` takes it."""

    ehr: str
    patient: str
    facts: str
    context: bytes
    shown: Shown


@dataclass(frozen=True, slots=True)
class Held:
    """A flag with the end of its chain."""

    flag: Flag
    seq: int
    head: str


def raise_flag(connection: sqlite3.Connection, now: datetime, new: Raising) -> Flag:
    """Record the card that shows the alarm, and the alarm itself where its facts are new."""
    held = _held_of(connection, now, new.ehr, new.patient)
    last = alarm(connection, held.flag.id)
    if last is None or last.facts != new.facts:
        held = _record(connection, held, "raised", SERVICE_ACTOR, now, claims.of_alarm(new.facts, new.context))
        connection.execute("INSERT INTO alarm VALUES (?, ?, ?, ?)", (held.flag.id, held.seq, new.facts, new.context))
    sqlite_drafts.card(connection, now, new.shown.uuid, new.ehr, (), new.shown.detail)
    said = claims.of_card(new.shown.uuid, new.ehr, (), new.shown.detail)
    return _record(connection, held, "shown", new.shown.actor, now, said).flag


def attest(connection: sqlite3.Connection, now: datetime, new: NewAttestation, detail: Mapping[str, Any]) -> Attested:
    """Record an attestation; ``stays-closed`` withdraws what is held unsigned for the patient."""
    held = _held_of(connection, now, new.ehr, new.patient)
    known = [one for one in of_flag(connection, held.flag.id) if _same(one, new)]
    if known:
        return known[0]
    made = _attested(held, new, now)
    said = {**claims.of_attestation(made), "result": new.result}
    _record(connection, held, "attested", new.practitioner, now, said, detail)
    connection.execute(
        "INSERT INTO attestation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            made.id, made.flag, made.seq, made.practitioner, made.display, made.role, instant(made.assessed),
            made.result, made.review_by, made.review_on.isoformat(),
        ),
    )  # fmt: skip
    if new.result == "stays-closed":
        _withdraw(connection, now, made, new)
    return made


def check_not_closed(connection: sqlite3.Connection, draft: Draft) -> None:
    """Refuse a draft of a patient whose last attestation keeps drafting closed: Conflict U-ATTEST-CLOSED.

    It would otherwise slip through where a chart was evaluated just before the attestation.
    """
    said = attestations(connection, draft.ehr, draft.patient)
    if draft.state in UNSIGNED and said and said[-1].result == "stays-closed":
        msg = "a practitioner has attested that drafting stays closed for this patient; open the chart again"
        raise Conflict("U-ATTEST-CLOSED", msg)


def load(connection: sqlite3.Connection, flag: str) -> Held:
    """Return a flag; NotFound U-FLAG-UNKNOWN."""
    row = connection.execute(_FLAG + "WHERE id = ?", (flag,)).fetchone()
    if row is None:
        raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this address; open the patient's chart again")
    return _held(row)


def find(connection: sqlite3.Connection, ehr: str, patient: str) -> Held | None:
    """Return a patient's flag."""
    row = connection.execute(_FLAG + "WHERE ehr = ? AND patient = ?", (ehr, patient)).fetchone()
    return None if row is None else _held(row)


def alarms(connection: sqlite3.Connection, flag: str) -> list[Alarm]:
    """Return a flag's alarms, oldest first."""
    return [Alarm(*row[:4], raised=read_instant(row[4])) for row in connection.execute(_ALARM, (flag,))]


def alarm(connection: sqlite3.Connection, flag: str) -> Alarm | None:
    """Return a flag's last alarm."""
    row = connection.execute(f"{_ALARM} DESC LIMIT 1", (flag,)).fetchone()
    return None if row is None else Alarm(*row[:4], raised=read_instant(row[4]))


def of_flag(connection: sqlite3.Connection, flag: str) -> list[Attested]:
    """Return a flag's attestations, the oldest assessment first."""
    return [
        _read(row) for row in connection.execute(_ATTESTED + "WHERE a.flag = ? ORDER BY a.assessed, a.seq", (flag,))
    ]


def attestation(connection: sqlite3.Connection, identity: str) -> tuple[Flag, Attested]:
    """Return one attestation with its flag; NotFound U-FLAG-UNKNOWN."""
    row = connection.execute(_ATTESTED + "WHERE a.id = ?", (identity,)).fetchone()
    if row is None:
        raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this id; search by patient")
    found = _read(row)
    return load(connection, found.flag).flag, found


def attestations(connection: sqlite3.Connection, ehr: str, patient: str) -> list[Attested]:
    """Return a patient's attestations, the oldest assessment first."""
    held = find(connection, ehr, patient)
    return [] if held is None else of_flag(connection, held.flag.id)


def history(connection: sqlite3.Connection, flag: str) -> list[AuditEntry]:
    """Return a flag's audit entries, oldest first."""
    return [_entry(row) for row in connection.execute(_AUDIT, (flag,))]


def _held_of(connection: sqlite3.Connection, now: datetime, ehr: str, patient: str) -> Held:
    """Return the patient's flag, a new one without entries where there was none."""
    held = find(connection, ehr, patient)
    if held is not None:
        return held
    made = Flag(str(uuid4()), ehr, patient, now)
    connection.execute("INSERT INTO flag VALUES (?, ?, ?, ?, 0, ?)", (made.id, ehr, patient, instant(now), GENESIS))
    return Held(made, 0, GENESIS)


def _record(
    connection: sqlite3.Connection,
    held: Held,
    event: FlagEvent,
    actor: str,
    at: datetime,
    said: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
) -> Held:
    """Write the next entry of a flag's chain; its first one claims the flag's own columns too."""
    first = claims.of_flag(held.flag) if held.seq == 0 else {}
    detail = {**first, **said, **({"given": dict(given)} if given else {})}
    entry = seal((held.seq, held.head) if held.seq else None, held.flag.id, at, event, actor, detail)
    connection.execute(
        "INSERT INTO flag_audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.draft, entry.seq, instant(entry.at), entry.event, entry.actor, dumps(entry.detail).decode(),
            entry.previous, entry.hash,
        ),
    )  # fmt: skip
    moved = connection.execute(
        "UPDATE flag SET seq = ?, head = ? WHERE id = ? AND seq = ? AND head = ?",
        (entry.seq, entry.hash, held.flag.id, held.seq, held.head),
    ).rowcount
    if moved != 1:
        raise Conflict("U-DRAFT-STATE", "this record has moved on; read it again")
    return Held(held.flag, entry.seq, entry.hash)


def _withdraw(connection: sqlite3.Connection, now: datetime, made: Attested, new: NewAttestation) -> None:
    of_patient = f"WHERE d.state IN ({marks(UNSIGNED)}) AND d.ehr = ? AND d.patient = ?"
    for draft in sqlite_rows.select(connection, of_patient, (*UNSIGNED, new.ehr, new.patient)):
        sqlite_rows.record(connection, draft, "withdrawn", made.practitioner, now, {"by": made.id})


def _attested(held: Held, new: NewAttestation, now: datetime) -> Attested:
    return Attested(
        id=str(uuid4()),
        flag=held.flag.id,
        seq=held.seq + 1,
        practitioner=new.practitioner,
        display=new.display,
        role=new.role,
        assessed=new.assessed,
        result=new.result,
        review_by=new.review_by,
        review_on=new.review_on,
        recorded=now,
    )


def _same(one: Attested, new: NewAttestation) -> bool:
    """Say whether this very word is recorded already: a form sent twice."""
    said = (one.practitioner, one.assessed, one.result, one.review_by, one.review_on)
    return said == (new.practitioner, new.assessed, new.result, new.review_by, new.review_on)


def _entry(row: Sequence[Any]) -> AuditEntry:
    at, detail = read_instant(row[2]), loads(row[5].encode())
    return AuditEntry(row[0], row[1], at, row[3], row[4], detail, row[6], row[7])


def _held(row: Sequence[Any]) -> Held:
    return Held(Flag(row[0], row[1], row[2], read_instant(row[3])), row[4], row[5])


def _read(row: Sequence[Any]) -> Attested:
    return Attested(
        *row[:6],
        assessed=read_instant(row[6]),
        result=row[7],
        review_by=row[8],
        review_on=date.fromisoformat(row[9]),
        recorded=read_instant(row[10]),
    )
