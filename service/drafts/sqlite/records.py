"""All that a SQLite file has of many drafts at once, to verify them: a few statements for hundreds of drafts."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from service.drafts import claims
from service.drafts.records import AuditEntry
from service.drafts.sqlite import rows as sqlite_rows
from service.drafts.trail.verification import Record

Row = Sequence[Any]
_MINE: Final = " WHERE draft BETWEEN ? AND ?"
_STATEMENTS: Final = {
    "audit": f"{sqlite_rows.AUDIT}{_MINE} ORDER BY draft, seq",
    "revision": f"{sqlite_rows.REVISION}{_MINE}",
    "prepared": f"{sqlite_rows.PREPARED}{_MINE}",
    "signature": f"{sqlite_rows.SIGNATURE}{_MINE}",
    "outbox": f"{sqlite_rows.OUTBOX}{_MINE}",
    "comment": f"{sqlite_rows.COMMENT}{_MINE}",
}
_CARDS: Final = f"{sqlite_rows.CARD} WHERE uuid IN (SELECT value FROM json_each(?))"  # noqa: S608


class _Shown(msgspec.Struct):
    card: str


class Batch:
    """The rows of the drafts whose ids are between two; ``record`` makes one draft's record of them."""

    def __init__(self, connection: sqlite3.Connection, first: str, last: str) -> None:
        drafts = connection.execute(f"{sqlite_rows.DRAFT} WHERE d.id BETWEEN ? AND ?", (first, last))
        self._drafts = {row[0]: row for row in drafts}
        self._rows = {name: _by_draft(connection.execute(each, (first, last))) for name, each in _STATEMENTS.items()}
        self._cards = _cards(connection, self._rows["audit"])

    def record(self, draft: str) -> Record:
        """Return a draft's record; raises whatever reading nonsense raises."""
        held = sqlite_rows.held(self._drafts[draft])
        entries, hashes = sqlite_rows.chained(self._of("audit", draft))
        signature, outbox = self._of("signature", draft), self._of("outbox", draft)
        return Record(
            draft=held.draft,
            seq=held.seq,
            head=held.head,
            revisions={version: resource for _, version, resource in self._of("revision", draft)},
            entries=entries,
            prepared=[sqlite_rows.shown(row) for row in self._of("prepared", draft)],
            signature=sqlite_rows.signed(signature[0]) if signature else None,
            outbox=sqlite_rows.queued(outbox[0]) if outbox else None,
            comments={seq: text for _, seq, text in self._of("comment", draft)},
            cards=cards_of(entries, self._cards),
            hashes=hashes,
        )

    def _of(self, table: str, draft: str) -> Sequence[Row]:
        return self._rows[table].get(draft, ())


def cards_of(entries: Sequence[AuditEntry], found: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the claims of the cards that a chain names, none for one that is gone."""
    named = [entry.detail["card"] for entry in entries if entry.event == "shown"]
    return {uuid: found.get(uuid, {}) for uuid in named}


def _by_draft(rows: sqlite3.Cursor) -> Mapping[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def _cards(connection: sqlite3.Connection, chains: Mapping[str, Sequence[Row]]) -> dict[str, Mapping[str, Any]]:
    named = [_named(row[5]) for chain in chains.values() for row in chain if row[3] == "shown"]
    uuids = msgspec.json.encode([uuid for uuid in named if uuid is not None]).decode()
    return {row[0]: claims.of_card_texts(*row) for row in connection.execute(_CARDS, (uuids,))}


def _named(detail: str) -> str | None:
    """Return the card that an entry names; None where it cannot be read, which reading the chain will say."""
    try:
        return msgspec.json.decode(detail, type=_Shown).card
    except (msgspec.MsgspecError, TypeError, ValueError):
        return None
