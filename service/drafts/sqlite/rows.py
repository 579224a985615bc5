"""Rows of the SQLite store as the records of the protocol."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from service.drafts import claims
from service.drafts.audit import GENESIS, body, stored
from service.drafts.canonical_json import dumps, instant, loads, read_instant
from service.drafts.commit.transaction import Held, Outbox
from service.drafts.records import AuditEntry, Draft, Prepared, Signature
from service.errors import NotFound

DRAFT: Final = (
    "SELECT d.id, d.ehr, unfixed(d.patient), d.facts, unseal(d.id || ':ingredient', d.ingredient), d.rank, d.state,"
    " d.version, unseal(d.id || ':resource', r.resource), unseal(d.id || ':context', d.context),"
    " d.created, d.expires, d.updated, d.seq, d.head"
    " FROM draft d JOIN revision r ON r.draft = d.id AND r.version = d.version "
)
SIGNATURE: Final = (
    "SELECT draft, version, digest, practitioner, order_id, unseal(draft || ':order', order_bytes),"
    " unseal(draft || ':jws', jws), unseal(draft || ':provenance', provenance), signed"
    " FROM signature"
)
PREPARED: Final = (
    "SELECT draft, version, digest, practitioner, unseal(draft || ':order', order_bytes), order_id,"
    " unseal(draft || ':acknowledgements', acknowledgements), prepared"
    " FROM prepared"
)
AUDIT: Final = "SELECT draft, seq, at, event, actor, detail, previous, hash FROM audit"
REVISION: Final = "SELECT draft, version, unseal(draft || ':resource', resource) FROM revision"
COMMENT: Final = "SELECT draft, seq, unseal(draft || ':comment', text) FROM comment"
OUTBOX: Final = "SELECT draft, due, attempts, lease, progress FROM outbox"
CARD: Final = "SELECT uuid, ehr, drafts, detail FROM card"


def select(connection: sqlite3.Connection, rest: str, values: Sequence[object] | Mapping[str, object]) -> list[Held]:
    """Return the drafts that ``rest`` (WHERE … ORDER BY … over ``d``) finds."""
    return [held(row) for row in connection.execute(DRAFT + rest, values)]


def load(connection: sqlite3.Connection, draft: str) -> Held:
    """Return one draft; NotFound U-DRAFT-UNKNOWN."""
    found = select(connection, "WHERE d.id = ?", (draft,))
    if not found:
        raise NotFound("U-DRAFT-UNKNOWN", "no draft has this id")
    return found[0]


def insert(connection: sqlite3.Connection, draft: Draft) -> None:
    """Write a new draft and its first version; its chain begins with the next entry."""
    connection.execute(
        "INSERT INTO draft (id, ehr, patient, facts, ingredient, rank, state, version, context, created,"
        " expires, updated, seq, head)"
        " VALUES (?1, ?2, fixed(?3), ?4, seal(?2, ?1 || ':ingredient', ?5), ?6, ?7, ?8,"
        " seal(?2, ?1 || ':context', ?9), ?10, ?11, ?12, 0, ?13)",
        (
            draft.id, draft.ehr, draft.patient, draft.facts, draft.ingredient, draft.rank, draft.state,
            draft.version, draft.context, instant(draft.created), instant(draft.expires),
            instant(draft.updated), GENESIS,
        ),
    )  # fmt: skip
    insert_revision(connection, draft.id, draft.version, draft.resource)


def insert_revision(connection: sqlite3.Connection, draft: str, version: int, resource: bytes) -> None:
    """Write one version of a draft's resource."""
    sealed = "INSERT INTO revision SELECT id, ?2, seal(ehr, id || ':resource', ?3) FROM draft WHERE id = ?1"
    connection.execute(sealed, (draft, version, resource))


def signature(
    connection: sqlite3.Connection, ident: str, by: Literal["draft", "order_id"] = "draft"
) -> Signature | None:
    """Return the signature of a draft, or of an order, if there is one."""
    row = connection.execute(f"{SIGNATURE} WHERE {by} = ?", (ident,)).fetchone()
    return None if row is None else signed(row)


def insert_signature(connection: sqlite3.Connection, found: Signature) -> None:
    """Write a draft's one signature."""
    connection.execute(
        "INSERT INTO signature SELECT id, ?2, ?3, ?4, ?5, seal(ehr, id || ':order', ?6), seal(ehr, id || ':jws', ?7),"
        " seal(ehr, id || ':provenance', ?8), ?9 FROM draft WHERE id = ?1",
        (
            found.draft, found.version, found.digest, found.practitioner, found.order_id, found.order,
            found.jws, found.provenance, instant(found.signed),
        ),
    )  # fmt: skip


def prepared_for(connection: sqlite3.Connection, draft: str, digest: str, practitioner: str) -> Prepared | None:
    """Return what this practitioner was shown under this digest."""
    rest = " WHERE draft = ? AND digest = ? AND practitioner = ?"
    row = connection.execute(PREPARED + rest, (draft, digest, practitioner)).fetchone()
    return None if row is None else shown(row)


def insert_prepared(connection: sqlite3.Connection, shown: Prepared) -> None:
    """Keep the bytes that a practitioner is shown."""
    connection.execute(
        "INSERT INTO prepared SELECT id, ?2, ?3, ?4, ?5, seal(ehr, id || ':order', ?6),"
        " seal(ehr, id || ':acknowledgements', ?7), ?8 FROM draft WHERE id = ?1",
        (
            shown.draft, shown.digest, shown.practitioner, shown.version, shown.order_id, shown.order,
            dumps(list(shown.acknowledgements)).decode(), instant(shown.prepared),
        ),
    )  # fmt: skip


def revisions(connection: sqlite3.Connection, draft: str) -> dict[int, bytes]:
    """Return all versions of a draft's resource."""
    return {row[1]: row[2] for row in connection.execute(f"{REVISION} WHERE draft = ?", (draft,))}


def comments(connection: sqlite3.Connection, draft: str) -> dict[int, str]:
    """Return the comments on a draft, by the number of their audit entry."""
    return {row[1]: row[2] for row in connection.execute(f"{COMMENT} WHERE draft = ? ORDER BY seq", (draft,))}


def history(connection: sqlite3.Connection, draft: str) -> list[AuditEntry]:
    """Return a draft's audit entries, oldest first."""
    rows = connection.execute(AUDIT + " WHERE draft = ? ORDER BY seq", (draft,))
    return [_entry(row) for row in rows]


def entry_values(entry: AuditEntry) -> tuple[object, ...]:
    """Return the columns of an audit entry."""
    detail = dumps(entry.detail).decode()
    return entry.draft, entry.seq, instant(entry.at), entry.event, entry.actor, detail, entry.previous, entry.hash


def outbox(connection: sqlite3.Connection, draft: str) -> Outbox | None:
    """Return a draft's write-back, if it has one."""
    row = connection.execute(f"{OUTBOX} WHERE draft = ?", (draft,)).fetchone()
    return None if row is None else queued(row)


def card(connection: sqlite3.Connection, uuid: str) -> Mapping[str, Any] | None:
    """Return a card's claims."""
    row = connection.execute(f"{CARD} WHERE uuid = ?", (uuid,)).fetchone()
    return None if row is None else claims.of_card_texts(*row)


def chained(rows: Iterable[Sequence[Any]]) -> tuple[list[AuditEntry], list[str]]:
    """Return the entries of audit rows, and the hash that the stored text of each gives; to verify them fast."""
    found = [
        stored(head, body(previous, draft, seq, at, event, actor, detail))
        for draft, seq, at, event, actor, detail, previous, head in rows
    ]
    return [entry for entry, _ in found], [head for _, head in found]


def marks(values: Iterable[object]) -> str:
    """Return as many placeholders as there are values."""
    return ", ".join("?" for _ in values)


def held(row: Sequence[Any]) -> Held:
    """Return the draft of a row of ``DRAFT``."""
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


def shown(row: Sequence[Any]) -> Prepared:
    """Return the prepared bytes of a row of ``PREPARED``."""
    return Prepared(*row[:6], acknowledgements=tuple(loads(row[6].encode())), prepared=read_instant(row[7]))


def signed(row: Sequence[Any]) -> Signature:
    """Return the signature of a row of ``SIGNATURE``."""
    return Signature(*row[:8], signed=read_instant(row[8]))


def queued(row: Sequence[Any]) -> Outbox:
    """Return the write-back of a row of ``OUTBOX``."""
    return Outbox(row[1], row[2], row[3], loads(row[4].encode()))
