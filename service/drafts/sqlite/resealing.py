"""Sealing what is in a SQLite file under the data keys that are in use now; what is sealed does not change by it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.drafts.vault import Vault

AT_ONCE: Final = 256
# Table, its column of the record's id, the column that is sealed, and the field that it is sealed for.
_SEALED: Final = (
    *(("draft", "id", name, name) for name in ("ingredient", "context")),
    ("revision", "draft", "resource", "resource"),
    ("prepared", "draft", "order_bytes", "order"),
    ("prepared", "draft", "acknowledgements", "acknowledgements"),
    ("signature", "draft", "order_bytes", "order"),
    *(("signature", "draft", name, name) for name in ("jws", "provenance")),
    ("comment", "draft", "text", "comment"),
    ("alarm", "flag", "context", "context"),
    *(("attestation", "flag", name, name) for name in ("display", "review_by")),
    ("register_audit", "register", "detail", "detail"),
)
_STATEMENTS: Final = tuple(
    f"UPDATE {table} SET {column} = reseal({owner} || ':{field}', {column})"  # noqa: S608
    f" WHERE {owner} BETWEEN ? AND ? AND stale({column})"
    for table, owner, column, field in _SEALED
)
_TRIGGERS: Final = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
_OWNERS: Final = "SELECT id FROM draft UNION ALL SELECT id FROM flag UNION ALL SELECT id FROM register ORDER BY id"


def owners(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the first and last id of each part of the file that is sealed anew in one commit."""
    ids = [row[0] for row in connection.execute(_OWNERS)]
    parts = [ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE)]
    return [(part[0], part[-1]) for part in parts]


@dataclass(frozen=True, slots=True)
class Resealing:
    """Seals what of a part of the file is under a replaced key, inside one transaction."""

    vault: Vault
    first: str
    last: str

    def __call__(self, connection: sqlite3.Connection, now: datetime) -> int:
        """Return how many values were sealed anew.

        Within this transaction, and nowhere else, the triggers are gone that keep rows as they were written; audit
        entries hold digests of what is sealed, so verification finds a value that has become another.
        """
        connection.create_function("stale", 1, self._stale)
        connection.create_function("reseal", 2, self.vault.resealed)
        triggers: Sequence[tuple[str, str]] = connection.execute(_TRIGGERS).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        changed = sum(connection.execute(each, (self.first, self.last)).rowcount for each in _STATEMENTS)
        for _, statement in triggers:
            connection.execute(statement)
        return changed

    def _stale(self, value: bytes | str | None) -> bool:
        return value is not None and self.vault.stale(value)
