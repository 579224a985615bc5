"""Rows of the SQLite store as the records of the protocol, and the one function that moves a draft.

Every change to a draft goes through ``record``: the table of states decides, and the new state and its audit
entry are written together in the caller's transaction.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from service.drafts import claims, states
from service.drafts.audit import GENESIS, seal
from service.drafts.canonical_json import dumps, instant, loads, read_instant
from service.drafts.store import AuditEntry, Draft, Prepared, Signature
from service.errors import Conflict, NotFound

_DRAFT: Final = (
    "SELECT d.id, d.ehr, d.patient, d.facts, d.ingredient, d.rank, d.state, d.version, r.resource, d.context,"
    " d.created, d.expires, d.updated, d.seq, d.head"
    " FROM draft d JOIN revision r ON r.draft = d.id AND r.version = d.version "
)
_SIGNATURE: Final = (
    "SELECT draft, version, digest, practitioner, order_id, order_bytes, jws, provenance, signed"
    " FROM signature WHERE draft = ?"
)
_PREPARED: Final = (
    "SELECT draft, version, digest, practitioner, order_bytes, order_id, acknowledgements, prepared"
    " FROM prepared WHERE draft = ?"
)
_AUDIT: Final = "SELECT draft, seq, at, event, actor, detail, previous, hash FROM audit"


@dataclass(frozen=True, slots=True)
class Held:
    """A draft with the end of its audit chain: the number and hash of the last entry."""

    draft: Draft
    seq: int
    head: str


def select(connection: sqlite3.Connection, rest: str, values: Sequence[object] | Mapping[str, object]) -> list[Held]:
    """Return the drafts that ``rest`` (WHERE … ORDER BY … over ``d``) finds."""
    return [_held(row) for row in connection.execute(_DRAFT + rest, values)]


def load(connection: sqlite3.Connection, draft: str) -> Held:
    """Return one draft; NotFound U-DRAFT-UNKNOWN."""
    found = select(connection, "WHERE d.id = ?", (draft,))
    if not found:
        raise NotFound("U-DRAFT-UNKNOWN", "no draft has this id")
    return found[0]


def insert(connection: sqlite3.Connection, draft: Draft, actor: str) -> Draft:
    """Write a new draft, its first version and the first entry of its chain."""
    connection.execute(
        "INSERT INTO draft (id, ehr, patient, facts, ingredient, rank, state, version, context, created,"
        " expires, updated, seq, head)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
        (
            draft.id, draft.ehr, draft.patient, draft.facts, draft.ingredient, draft.rank, draft.state,
            draft.version, draft.context, instant(draft.created), instant(draft.expires),
            instant(draft.updated), GENESIS,
        ),
    )  # fmt: skip
    insert_revision(connection, draft.id, draft.version, draft.resource)
    said = {**claims.of_draft(draft), **claims.of_revision(draft.version, draft.resource)}
    return record(connection, Held(draft, 0, GENESIS), "held", actor, draft.created, said).draft


def insert_revision(connection: sqlite3.Connection, draft: str, version: int, resource: bytes) -> None:
    """Write one version of a draft's resource."""
    connection.execute("INSERT INTO revision VALUES (?, ?, ?)", (draft, version, resource))


def record(
    connection: sqlite3.Connection,
    held: Held,
    event: states.Event,
    actor: str,
    at: datetime,
    said: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> Held:
    """Move the draft by ``event`` and write its audit entry: ``said`` by the store, ``given`` by the caller.

    Conflict U-DRAFT-STATE where the table of states does not allow it. A ``comment`` among ``given`` goes to
    its own table; the chain keeps its digest.
    """
    draft, first = held.draft, held.seq == 0
    state = states.after(event, None if first else draft.state)
    if state is None:
        raise Conflict("U-DRAFT-STATE", f"this draft is {draft.state}; read it again")
    detail = {**(said or {}), "state": state}
    if given:
        detail["given"] = _without_comment(given)
    entry = seal(None if first else (held.seq, held.head), draft.id, at, event, actor, detail)
    _write(connection, entry)
    if given and "comment" in given:
        values = (draft.id, entry.seq, str(given["comment"]))
        connection.execute("INSERT INTO comment VALUES (?, ?, ?)", values)
    version = detail["version"] if event == "edited" else draft.version
    return _advance(connection, held, replace(draft, state=state, version=version, updated=at), entry)


def signature(connection: sqlite3.Connection, draft: str) -> Signature | None:
    """Return the draft's signature, if it has one."""
    row = connection.execute(_SIGNATURE, (draft,)).fetchone()
    return None if row is None else Signature(*row[:8], signed=read_instant(row[8]))


def insert_signature(connection: sqlite3.Connection, found: Signature) -> None:
    """Write a draft's one signature."""
    connection.execute(
        "INSERT INTO signature VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            found.draft, found.version, found.digest, found.practitioner, found.order_id, found.order,
            found.jws, found.provenance, instant(found.signed),
        ),
    )  # fmt: skip


def prepared(connection: sqlite3.Connection, draft: str) -> list[Prepared]:
    """Return all bytes that are kept as shown for a draft."""
    return [_prepared(row) for row in connection.execute(_PREPARED, (draft,))]


def prepared_for(connection: sqlite3.Connection, draft: str, digest: str, practitioner: str) -> Prepared | None:
    """Return what this practitioner was shown under this digest."""
    rest = " AND digest = ? AND practitioner = ?"
    row = connection.execute(_PREPARED + rest, (draft, digest, practitioner)).fetchone()
    return None if row is None else _prepared(row)


def insert_prepared(connection: sqlite3.Connection, shown: Prepared) -> None:
    """Keep the bytes that a practitioner is shown."""
    connection.execute(
        "INSERT INTO prepared VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            shown.draft, shown.digest, shown.practitioner, shown.version, shown.order_id, shown.order,
            dumps(list(shown.acknowledgements)).decode(), instant(shown.prepared),
        ),
    )  # fmt: skip


def history(connection: sqlite3.Connection, draft: str) -> list[AuditEntry]:
    """Return a draft's audit entries, oldest first."""
    rows = connection.execute(_AUDIT + " WHERE draft = ? ORDER BY seq", (draft,))
    return [_entry(row) for row in rows]


def marks(values: Iterable[object]) -> str:
    """Return as many placeholders as there are values."""
    return ", ".join("?" for _ in values)


def _held(row: Sequence[Any]) -> Held:
    draft = Draft(
        id=row[0],
        ehr=row[1],
        patient=row[2],
        facts=row[3],
        ingredient=row[4],
        rank=row[5],
        state=row[6],
        version=row[7],
        resource=row[8],
        context=row[9],
        created=read_instant(row[10]),
        expires=read_instant(row[11]),
        updated=read_instant(row[12]),
    )
    return Held(draft, row[13], row[14])


def _entry(row: Sequence[Any]) -> AuditEntry:
    at, detail = read_instant(row[2]), loads(row[5].encode())
    return AuditEntry(row[0], row[1], at, row[3], row[4], detail, row[6], row[7])


def _prepared(row: Sequence[Any]) -> Prepared:
    return Prepared(*row[:6], acknowledgements=tuple(loads(row[6].encode())), prepared=read_instant(row[7]))


def _without_comment(given: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(given)
    if "comment" in kept:
        kept["comment"] = claims.of_comment(str(kept["comment"]))
    return kept


def _write(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    detail = dumps(entry.detail).decode()
    connection.execute(
        "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.draft, entry.seq, instant(entry.at), entry.event, entry.actor, detail,
            entry.previous, entry.hash,
        ),
    )  # fmt: skip


def _advance(connection: sqlite3.Connection, held: Held, draft: Draft, entry: AuditEntry) -> Held:
    signed = draft.state in states.SIGNED
    moved = connection.execute(
        "UPDATE draft SET state = ?, signed = ?, signature = ?, version = ?, updated = ?, seq = ?, head = ?"
        " WHERE id = ? AND state = ? AND version = ? AND seq = ? AND head = ?",
        (
            draft.state, int(signed), draft.id if signed else None, draft.version, instant(draft.updated),
            entry.seq, entry.hash, draft.id, held.draft.state, held.draft.version, held.seq, held.head,
        ),
    ).rowcount  # fmt: skip
    if moved != 1:
        raise Conflict("U-DRAFT-STATE", "this draft has moved on; read it again")
    if held.draft.state in states.UNSIGNED and draft.state not in states.UNSIGNED:
        connection.execute("DELETE FROM prepared WHERE draft = ?", (draft.id,))
    return Held(draft, entry.seq, entry.hash)
