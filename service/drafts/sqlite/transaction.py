"""One transaction of the SQLite store, as the steps ask for it: reads and writes on the writer's connection."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from service.drafts.audit import GENESIS
from service.drafts.canonical_json import dumps, instant
from service.drafts.commit.transaction import Held, HeldFlag, HeldRegister, Outbox
from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry, Draft, Prepared, Signature
from service.drafts.registers import Kind, Register
from service.drafts.sqlite import flags as sqlite_flags
from service.drafts.sqlite import registers as sqlite_registers
from service.drafts.sqlite import rows as sqlite_rows
from service.drafts.sqlite.rows import marks
from service.drafts.states import UNCONFIRMED, UNSIGNED
from service.errors import Conflict

SWEEP: Final = 500
_OPEN: Final = f"d.state IN ({marks(UNSIGNED)})"
_ITS_SIGNATURE: Final = "SELECT s.draft FROM signature s WHERE s.draft = draft.id"
_NEXT: Final = "SELECT o.draft FROM outbox o WHERE o.due <= ?"
_NEXT_OF: Final = "SELECT o.draft FROM outbox o JOIN draft d ON d.id = o.draft WHERE o.due <= ? AND d.ehr NOT IN "
_FIRST: Final = " ORDER BY o.due LIMIT 1"


class SqliteTransaction:
    """Implements ``Transaction`` on a connection that is inside one; SQLite itself keeps it atomic."""

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    @property
    def now(self) -> datetime:
        """Return the store's time, read when this step began."""
        return self._now

    def new_id(self, patient: str) -> str:
        """Return a new UUID."""
        return str(uuid4())

    def draft(self, draft: str) -> Held:
        """Return a draft; NotFound U-DRAFT-UNKNOWN."""
        return sqlite_rows.load(self._connection, draft)

    def open_of(self, ehr: str, patient: str) -> Sequence[Held]:
        """Return a patient's unsigned drafts."""
        of_patient = f"WHERE {_OPEN} AND d.ehr = ? AND d.patient = fixed(?)"
        return sqlite_rows.select(self._connection, of_patient, (*UNSIGNED, ehr, patient))

    def unconfirmed_of(self, ehr: str, patient: str) -> Sequence[Held]:
        """Return a patient's drafts that are signed or accepted, and not confirmed in the EHR."""
        of_patient = f"WHERE d.state IN ({marks(UNCONFIRMED)}) AND d.ehr = ? AND d.patient = fixed(?)"
        return sqlite_rows.select(self._connection, of_patient, (*UNCONFIRMED, ehr, patient))

    def of_facts(self, ehr: str, patient: str, facts: str) -> Sequence[Held]:
        """Return all drafts of these facts, by rank."""
        same = "WHERE d.ehr = ? AND d.patient = fixed(?) AND d.facts = ? ORDER BY d.rank"
        return sqlite_rows.select(self._connection, same, (ehr, patient, facts))

    def overdue(self) -> Sequence[Held]:
        """Return up to ``SWEEP`` unsigned drafts past their time."""
        overdue = f"WHERE {_OPEN} AND d.expires <= ? LIMIT {SWEEP}"
        return sqlite_rows.select(self._connection, overdue, (*UNSIGNED, instant(self._now)))

    def add(self, draft: Draft) -> Held:
        """Write a new draft and its first version."""
        sqlite_rows.insert(self._connection, draft)
        return Held(draft, 0, GENESIS)

    def add_revision(self, draft: str, version: int, resource: bytes) -> None:
        """Write a later version of a draft's resource."""
        sqlite_rows.insert_revision(self._connection, draft, version, resource)

    def advance(self, held: Held, after: Draft, entry: AuditEntry, comment: str | None) -> Held:
        """Write an entry, its comment and the draft as it is after it; Conflict U-DRAFT-STATE where it has moved."""
        self._connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sqlite_rows.entry_values(entry))
        if comment is not None:
            sealed = "INSERT INTO comment VALUES (?1, ?2, seal(?4, ?1 || ':comment', ?3))"
            self._connection.execute(sealed, (after.id, entry.seq, comment, after.ehr))
        moved = self._connection.execute(
            # Which states go with a signature the table of states says.
            f"UPDATE draft SET state = ?, signed = EXISTS ({_ITS_SIGNATURE}), signature = ({_ITS_SIGNATURE}),"  # noqa: S608
            " version = ?, updated = ?, seq = ?, head = ?"
            " WHERE id = ? AND state = ? AND version = ? AND seq = ? AND head = ?",
            (
                after.state, after.version, instant(after.updated), entry.seq, entry.hash, after.id,
                held.draft.state, held.draft.version, held.seq, held.head,
            ),
        ).rowcount  # fmt: skip
        if moved != 1:
            raise Conflict("U-DRAFT-STATE", "this draft has moved on; read it again")
        return Held(after, entry.seq, entry.hash)

    def prepared_for(self, draft: str, digest: str, practitioner: str) -> Prepared | None:
        """Return what this practitioner was shown under this digest."""
        return sqlite_rows.prepared_for(self._connection, draft, digest, practitioner)

    def add_prepared(self, shown: Prepared) -> None:
        """Keep the bytes that a practitioner is shown."""
        sqlite_rows.insert_prepared(self._connection, shown)

    def drop_prepared(self, draft: str) -> None:
        """Forget all bytes shown of a draft."""
        self._connection.execute("DELETE FROM prepared WHERE draft = ?", (draft,))

    def signature(self, draft: str) -> Signature | None:
        """Return a draft's signature."""
        return sqlite_rows.signature(self._connection, draft)

    def add_signature(self, found: Signature) -> None:
        """Write a draft's one signature."""
        sqlite_rows.insert_signature(self._connection, found)

    def next_due(self, without: Collection[str] = ()) -> str | None:
        """Return the draft whose write-back has been due the longest."""
        asked = f"{_NEXT_OF}({marks(without)}){_FIRST}" if without else f"{_NEXT}{_FIRST}"
        row = self._connection.execute(asked, (instant(self._now), *without)).fetchone()
        return None if row is None else row[0]

    def outbox(self, draft: str) -> Outbox | None:
        """Return a draft's write-back."""
        return sqlite_rows.outbox(self._connection, draft)

    def put_outbox(self, draft: str, row: Outbox) -> None:
        """Write a draft's write-back."""
        self._connection.execute(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?) ON CONFLICT (draft) DO UPDATE SET due = excluded.due,"
            " attempts = excluded.attempts, lease = excluded.lease, progress = excluded.progress",
            (draft, row.due, row.attempts, row.lease, dumps(row.progress).decode()),
        )

    def card(self, uuid: str) -> Mapping[str, Any] | None:
        """Return a card's claims."""
        return sqlite_rows.card(self._connection, uuid)

    def add_card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Write a card."""
        row = (uuid, ehr, dumps(list(drafts)).decode(), dumps(detail).decode())
        self._connection.execute("INSERT INTO card VALUES (?, ?, ?, ?)", row)

    def flag_of(self, ehr: str, patient: str) -> HeldFlag | None:
        """Return a patient's flag."""
        return sqlite_flags.find(self._connection, ehr, patient)

    def add_flag(self, flag: Flag) -> HeldFlag:
        """Write a new flag, without an entry yet."""
        row = (flag.id, flag.ehr, flag.patient, instant(flag.created), GENESIS)
        self._connection.execute("INSERT INTO flag VALUES (?, ?, fixed(?), ?, 0, ?)", row)
        return HeldFlag(flag, 0, GENESIS)

    def advance_flag(self, held: HeldFlag, entry: AuditEntry) -> HeldFlag:
        """Write the next entry of a flag's chain; Conflict U-DRAFT-STATE where it has moved."""
        values = sqlite_rows.entry_values(entry)
        self._connection.execute("INSERT INTO flag_audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        moved = self._connection.execute(
            "UPDATE flag SET seq = ?, head = ? WHERE id = ? AND seq = ? AND head = ?",
            (entry.seq, entry.hash, held.flag.id, held.seq, held.head),
        ).rowcount
        if moved != 1:
            raise Conflict("U-DRAFT-STATE", "this record has moved on; read it again")
        return replace(held, seq=entry.seq, head=entry.hash)

    def alarm(self, flag: str) -> Alarm | None:
        """Return a flag's last alarm."""
        return sqlite_flags.alarm(self._connection, flag)

    def add_alarm(self, alarm: Alarm) -> None:
        """Write an alarm; its time is its entry's."""
        values = (alarm.flag, alarm.seq, alarm.facts, alarm.context)
        sealed = "INSERT INTO alarm SELECT id, ?2, ?3, seal(ehr, id || ':context', ?4) FROM flag WHERE id = ?1"
        self._connection.execute(sealed, values)

    def attestations(self, flag: str) -> Sequence[Attested]:
        """Return a flag's attestations, the oldest assessment first."""
        return sqlite_flags.of_flag(self._connection, flag)

    def add_attestation(self, made: Attested) -> None:
        """Write an attestation; its time is its entry's."""
        self._connection.execute(
            "INSERT INTO attestation SELECT ?1, id, ?3, ?4, seal(ehr, id || ':display', ?5), ?6, ?7, ?8,"
            " seal(ehr, id || ':review_by', ?9), ?10 FROM flag WHERE id = ?2",
            (
                made.id, made.flag, made.seq, made.practitioner, made.display, made.role, instant(made.assessed),
                made.result, made.review_by, made.review_on.isoformat(),
            ),
        )  # fmt: skip

    def register_of(self, kind: Kind, ehr: str, subject: str) -> HeldRegister | None:
        """Return a register."""
        return sqlite_registers.find(self._connection, kind, ehr, subject)

    def add_register(self, kind: Kind, ehr: str, subject: str) -> HeldRegister:
        """Write a new register, without an entry yet."""
        return sqlite_registers.insert(self._connection, Register(str(uuid4()), kind, ehr, subject))

    def advance_register(self, held: HeldRegister, entry: AuditEntry) -> HeldRegister:
        """Write the next entry of a register; Conflict U-DRAFT-STATE where it has moved."""
        return sqlite_registers.advance(self._connection, held, entry)
