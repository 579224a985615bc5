"""What the store keeps for a while and outside the audit chain: token ids, sessions, launches under way."""

import sqlite3
from datetime import datetime

from service.drafts.canonical_json import instant


def seen(connection: sqlite3.Connection, now: datetime, issuer: str, jti: str, expires: datetime) -> bool:
    """Remember a token id until it expires; True when it was there already."""
    connection.execute("DELETE FROM seen_token WHERE expires < ?", (instant(now),))
    values = (issuer, jti, instant(expires))
    added = connection.execute("INSERT INTO seen_token VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)
    return added.rowcount == 0


def keep(connection: sqlite3.Connection, now: datetime, kind: str, key: str, value: bytes, expires: datetime) -> None:
    """Keep a sealed record, in place of an earlier one under the same key; those that expired go."""
    connection.execute("DELETE FROM kept WHERE expires <= ?", (instant(now),))
    values = (kind, key, value, instant(expires))
    connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?)", values)


def kept(connection: sqlite3.Connection, now: datetime, kind: str, key: str) -> bytes | None:
    """Return a sealed record that has not expired; reads only."""
    select = "SELECT value FROM kept WHERE kind = ? AND key = ? AND expires > ?"
    row = connection.execute(select, (kind, key, instant(now))).fetchone()
    return None if row is None else row[0]


def drop(connection: sqlite3.Connection, now: datetime, kind: str, key: str) -> bytes | None:
    """Remove a sealed record and return it unless it has expired: one of many callers gets it."""
    value = kept(connection, now, kind, key)
    connection.execute("DELETE FROM kept WHERE kind = ? AND key = ?", (kind, key))
    return value
