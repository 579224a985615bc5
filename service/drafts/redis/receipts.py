"""The receipts of what this host acknowledged: a file of its own, against a failover that forgets some of it.

Redis acknowledges before its replicas have a commit, so the one that takes over may lack the last ones. The receipt of
what a person decided (``redis.receipt``) is on the local disk, flushed, before anybody is told: it is written while
Redis commits, and marked as told when both have (``redis.acknowledging``). ``redis.remembering`` holds those that were
told against the store; of the others nobody was told, so they are never recorded again. The workers of one host share
the file; each has a ``redis.journal`` beside it, which a receipt is written to first.
"""

import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from service.drafts.canonical_json import instant
from service.drafts.redis import journal as redis_journal
from service.drafts.redis.journal import DROPPED, TOLD, Journal, Records
from service.drafts.redis.receipt import FORMS, Acknowledged, Receipt, Rejected, Revoked, Signed, Table, Word
from service.drafts.registers import Registered
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.vault import Vault
from service.errors import ConfigError, Unavailable

T = TypeVar("T", bound=Receipt)
APPLICATION_ID: Final = 0x554E4452  # "UNDR": tells our file from any other SQLite file
# A backup older than this is no failover: what is in it is for a person to judge.
KEPT: Final = timedelta(days=30)
# After this nobody waits for the outcome of an attempt any more.
SETTLED: Final = timedelta(hours=1)
_TABLES: Final = tuple(
    f"CREATE TABLE IF NOT EXISTS {form.table} (id TEXT PRIMARY KEY, {form.owner} TEXT NOT NULL, {form.at} TEXT"
    " NOT NULL, told INTEGER NOT NULL CHECK (told IN (0, 1)), body BLOB NOT NULL) STRICT, WITHOUT ROWID"
    for form in FORMS.values()
)
_SERVER: Final = (
    "CREATE TABLE IF NOT EXISTS server (only INTEGER PRIMARY KEY CHECK (only = 1), identity TEXT NOT NULL) STRICT"
)
# How the first version kept them: written only after the commit, so all of them told.
_FORMER: Final = (
    "INSERT INTO attempt SELECT draft, draft, signed, 1, body FROM receipt",
    "DROP TABLE receipt",
)
# What is there already is of an earlier try of the same attempt, or the same: told stays told.
_MOVED: Final = (
    "INSERT OR REPLACE INTO {table}"
    " SELECT ?1, ?2, ?3, max(?4, coalesce((SELECT told FROM {table} WHERE id = ?1), 0)), ?5"
)
_JOURNALLED: Final = msgspec.msgpack.Decoder(tuple[Table, str, str, str, bytes])


class Receipts:
    """The file, from ``open`` to ``close``; its methods but ``keep`` block. With a vault its receipts are sealed."""

    def __init__(self, path: Path, vault: Vault | None = None) -> None:
        self._path = path
        self._vault = vault
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._journal: Journal | None = None

    def open(self) -> None:
        """Make or open the file, and take a journal; ConfigError U-STORE-RECEIPTS, -PATH, -MODE."""
        sqlite_schema.private(self._path)
        try:
            self._connection = connection = sqlite_schema.connect(self._path)
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            if found not in (0, APPLICATION_ID) or connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise ConfigError("U-STORE-RECEIPTS", "store.receipts is no file for receipts; name another")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            _migrate(connection)
            journal = self._taken()
            journal.start()
            self._journal = journal
        except (sqlite3.Error, OSError) as error:
            raise ConfigError("U-STORE-RECEIPTS", "store.receipts cannot be opened; check its folder") from error

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        journal, self._journal = self._journal, None
        try:
            if journal is not None:
                journal.close()
        finally:
            with self._lock:
                connection, self._connection = self._connection, None
                if connection is not None:
                    connection.close()

    async def keep(self, identity: str, ehr: str, receipt: Receipt) -> None:
        """Write the receipt of an attempt; it survives loss of power once this returns. Unavailable U-STORE-*."""
        if self._journal is None:
            raise Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
        table, *values = self._row(identity, ehr, receipt)
        await self._journal.append(identity, msgspec.msgpack.encode((table, *values)))

    def keep_told(self, identity: str, ehr: str, receipt: Receipt) -> None:
        """Write a receipt that counts as told, however long that takes. Unavailable U-STORE-*."""
        table, *values, body = self._row(identity, ehr, receipt)
        self._execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)", (*values, TOLD, body))  # noqa: S608

    def tell_now(self, identity: str) -> bool:
        """Mark a receipt as told, without waiting; False where that is not done: it is moved just now, or was."""
        return self._journal is not None and self._journal.tell(identity)

    def drop(self, identity: str) -> None:
        """Remove the receipt of an attempt that the store has refused. Unavailable U-STORE-*."""
        if self._journal is not None:
            self._journal.drop(identity)
        for form in FORMS.values():
            self._execute(f"DELETE FROM {form.table} WHERE id = ?", (identity,))  # noqa: S608

    def forget(self, told: datetime, untold: datetime) -> None:
        """Remove receipts of before an instant, told and not, and copy the file's log back."""
        for number, before in enumerate((untold, told)):
            for form in FORMS.values():
                some = f"{form.table} WHERE told = ? AND {form.at} < ?"
                self._execute(f"DELETE FROM {some}", (number, instant(before)))  # noqa: S608
        self._execute("PRAGMA wal_checkpoint(PASSIVE)", ())

    def told(self, kind: type[T]) -> list[T]:
        """Return the receipts of a kind that somebody was told of, the oldest first."""
        return self._read(kind, "told = 1", ())

    def acknowledged(self) -> Acknowledged:
        """Return the receipts of all kinds that somebody was told of."""
        return Acknowledged(
            signed=self.told(Signed),
            revoked=self.told(Revoked),
            rejected=self.told(Rejected),
            attested=self.told(Word),
            entered=self.told(Registered),
        )

    def server(self) -> str:
        """Return which server this host last found to have all that was acknowledged here; empty at first."""
        found = self._execute("SELECT identity FROM server", ())
        return str(found[0][0]) if found else ""

    def answered_by(self, identity: str) -> None:
        """Keep which server has all that was acknowledged here."""
        self._execute("INSERT OR REPLACE INTO server VALUES (1, ?)", (identity,))

    def untold(self, kind: type[T], before: datetime) -> list[T]:
        """Return the receipts of a kind from before an instant that nobody was told of, the oldest first."""
        form = FORMS[kind]
        return self._read(kind, f"told = 0 AND {form.at} < ?", (instant(before),))

    def _row(self, identity: str, ehr: str, receipt: Receipt) -> tuple[Table, str, str, str, bytes]:
        """Return table, id, owner, time and body of a receipt."""
        form = FORMS[type(receipt)]
        owner, at = form.whose(receipt)
        body = form.packed(receipt)
        if self._vault is not None:
            body = self._vault.seal(ehr, f"{owner}:receipt", body)
        return form.table, identity, owner, instant(at), body

    def _read(self, kind: type[T], some: str, values: tuple[object, ...]) -> list[T]:
        self._gather()
        form, vault = FORMS[kind], self._vault
        question = f"SELECT {form.owner}, body FROM {form.table} WHERE {some} ORDER BY {form.at}, {form.owner}"  # noqa: S608
        found = self._execute(question, values)
        return [form.read(vault.unseal(f"{whose}:receipt", body) if vault else body) for whose, body in found]

    def _taken(self) -> Journal:
        """Return the first journal that no other worker has."""
        number = 0
        while not (journal := Journal(self._journal_at(number), self._move)).open():
            number += 1
        return journal

    def _gather(self) -> None:
        """Move what is in the journals of this host: this worker's, those of the dead, and a copy of the others'."""
        if self._journal is not None:
            self._journal.empty()
        for path in self._journals():
            other = Journal(path, self._move)
            if other.open():
                other.close()
            else:
                # What was told there in the meantime is moved by its worker, so it is in one of the two.
                found = list(redis_journal.records(path.read_bytes()))
                self._move([(mark, content) for mark, content in found if mark == TOLD])

    def _journals(self) -> Iterator[Path]:
        number = 0
        while (path := self._journal_at(number)).exists():
            if self._journal is None or path != self._journal.path:
                yield path
            number += 1

    def _journal_at(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}-last-{number}")

    def _move(self, records: Records) -> None:
        """Write records of a journal into the file; those that are there stay told."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for mark, content in records:
                    if mark != DROPPED:
                        table, *values, body = _JOURNALLED.decode(content)
                        connection.execute(_MOVED.format(table=table), (*values, mark, body))
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def _connected(self) -> Generator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    raise sqlite3.ProgrammingError
                yield self._connection
            except sqlite3.Error as error:
                raise sqlite_schema.store_error(error) from error


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in (*_TABLES, _SERVER):
        connection.execute(table)
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'receipt'").fetchone():
        for statement in _FORMER:
            connection.execute(statement)
    connection.execute("COMMIT")
