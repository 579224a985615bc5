"""The receipts of signatures that this host acknowledged: a file of its own, against a failover that forgets some.

Redis acknowledges before its replicas have a commit, so the one that takes over may lack the last ones. A receipt is
on the local disk, flushed, before the practitioner is told: it is written while Redis commits, and marked as told when
both have. ``redis.replay`` holds those that were told against the store; of the others nobody was told that they are
signed, so they are never recorded again. The workers of one host share the file.
"""

import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from service.drafts.canonical_json import dumps, instant, loads, read_instant
from service.drafts.records import Prepared, Signature
from service.drafts.redis import rows as redis_rows
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.vault import Vault
from service.errors import ConfigError

APPLICATION_ID: Final = 0x554E4452  # "UNDR": tells our file from any other SQLite file
# A backup older than this is no failover: what is in it is for a person to judge.
KEPT: Final = timedelta(days=30)
# After this nobody waits for the outcome of an attempt any more.
SETTLED: Final = timedelta(hours=1)
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS attempt (id TEXT PRIMARY KEY, draft TEXT NOT NULL, signed TEXT NOT NULL,"
    " told INTEGER NOT NULL CHECK (told IN (0, 1)), body BLOB NOT NULL) STRICT, WITHOUT ROWID"
)
# How the first version kept them: written only after the commit, so all of them told.
_FORMER: Final = (
    "INSERT INTO attempt SELECT draft, draft, signed, 1, body FROM receipt",
    "DROP TABLE receipt",
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signature as it was acknowledged, with all that it takes to record it again."""

    prepared: Prepared
    signature: Signature
    write_back: bool
    detail: dict[str, Any]


class Receipts:
    """The file, from ``open`` to ``close``; its methods block. With a vault its receipts are sealed."""

    def __init__(self, path: Path, vault: Vault | None = None) -> None:
        self._path = path
        self._vault = vault
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        # Marks without a flush of its own and without waiting: what it writes survives this process, and the receipt
        # itself was flushed before.
        self._quick: sqlite3.Connection | None = None

    def open(self) -> None:
        """Make or open the file; ConfigError U-STORE-RECEIPTS, -PATH, -MODE."""
        sqlite_schema.private(self._path)
        try:
            self._connection = connection = sqlite_schema.connect(self._path)
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            if found not in (0, APPLICATION_ID) or connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise ConfigError("U-STORE-RECEIPTS", "store.receipts is no file for receipts; name another")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            _migrate(connection)
            self._quick = sqlite_schema.connect(self._path)
            for pragma in ("synchronous=NORMAL", "busy_timeout=0"):
                self._quick.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise ConfigError("U-STORE-RECEIPTS", "store.receipts cannot be opened; check its folder") from error

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        with self._lock:
            connections, self._connection, self._quick = (self._connection, self._quick), None, None
            for connection in connections:
                if connection is not None:
                    connection.close()

    def keep(self, identity: str, ehr: str, receipt: Receipt) -> None:
        """Write the receipt of an attempt; it survives loss of power once this returns. Unavailable U-STORE-*."""
        self._keep(identity, ehr, receipt, told=False)

    def keep_told(self, identity: str, ehr: str, receipt: Receipt) -> None:
        """Write a receipt that counts as told, however long that takes. Unavailable U-STORE-*."""
        self._keep(identity, ehr, receipt, told=True)

    def _keep(self, identity: str, ehr: str, receipt: Receipt, *, told: bool) -> None:
        signature, body = receipt.signature, _packed(receipt)
        if self._vault is not None:
            body = self._vault.seal(ehr, f"{signature.draft}:receipt", body)
        values = (identity, signature.draft, instant(signature.signed), int(told), body)
        self._execute("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?, ?)", values)

    def tell_now(self, identity: str) -> bool:
        """Mark a receipt as told, without waiting; False where nothing was marked: another writes just now."""
        try:
            if self._quick is None:
                raise sqlite3.ProgrammingError
            marked = self._quick.execute("UPDATE attempt SET told = 1 WHERE id = ?", (identity,)).rowcount
        except sqlite3.OperationalError:
            return False
        except sqlite3.Error as error:
            raise sqlite_schema.store_error(error) from error
        return marked == 1

    def drop(self, identity: str) -> None:
        """Remove the receipt of an attempt that the store has refused. Unavailable U-STORE-*."""
        self._execute("DELETE FROM attempt WHERE id = ?", (identity,))

    def forget(self, told: datetime, untold: datetime) -> None:
        """Remove receipts of signatures before an instant, told and not, and copy the file's log back."""
        for number, before in enumerate((untold, told)):
            self._execute("DELETE FROM attempt WHERE told = ? AND signed < ?", (number, instant(before)))
        self._execute("PRAGMA wal_checkpoint(PASSIVE)", ())

    def all(self) -> list[Receipt]:
        """Return the receipts of which the practitioner was told, the oldest signature first."""
        return self._read("told = 1", ())

    def untold(self, before: datetime) -> list[Receipt]:
        """Return those before an instant of which nobody was told, the oldest signature first."""
        return self._read("told = 0 AND signed < ?", (instant(before),))

    def _read(self, which: str, values: tuple[object, ...]) -> list[Receipt]:
        question = f"SELECT draft, body FROM attempt WHERE {which} ORDER BY signed, draft"  # noqa: S608
        found, vault = self._execute(question, values), self._vault
        return [_unpacked(vault.unseal(f"{draft}:receipt", body) if vault else body) for draft, body in found]

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                if self._connection is None:
                    raise sqlite3.ProgrammingError
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise sqlite_schema.store_error(error) from error


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_TABLE)
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'receipt'").fetchone():
        for statement in _FORMER:
            connection.execute(statement)
    connection.execute("COMMIT")


def _packed(receipt: Receipt) -> bytes:
    signature = {name: value for name, value in redis_rows.of_signature(receipt.signature).items() if name != "order"}
    said = (redis_rows.of_prepared(receipt.prepared), signature, receipt.write_back, dumps(receipt.detail))
    return msgspec.msgpack.encode(said)


def _unpacked(body: bytes) -> Receipt:
    shown, row, write_back, detail = msgspec.msgpack.decode(body, type=tuple[bytes, dict[str, Any], bool, bytes])
    prepared = redis_rows.prepared(shown)
    signature = Signature(
        draft=row["draft"],
        version=int(row["version"]),
        digest=row["digest"],
        practitioner=row["practitioner"],
        order_id=row["order_id"],
        order=prepared.order,
        jws=row["jws"],
        provenance=row["provenance"],
        signed=read_instant(row["signed"]),
    )
    return Receipt(prepared, signature, write_back, loads(detail))
