"""The receipts of signatures that this host acknowledged: a file of its own, against a failover that forgets some.

Redis acknowledges before its replicas have a commit, so the one that takes over may lack the last ones. A receipt is
written to a local disk after the commit and before the practitioner is told; ``redis_replay`` holds them against the
store. The workers of one host share the file.
"""

import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from service.drafts import redis_rows, sqlite_schema
from service.drafts.canonical_json import dumps, instant, loads, read_instant
from service.drafts.store import Prepared, Signature
from service.drafts.vault import Vault
from service.errors import ConfigError

APPLICATION_ID: Final = 0x554E4452  # "UNDR": tells our file from any other SQLite file
# A backup older than this is no failover: what is in it is for a person to judge.
KEPT: Final = timedelta(days=30)
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS receipt (draft TEXT PRIMARY KEY, signed TEXT NOT NULL, body BLOB NOT NULL)"
    " STRICT, WITHOUT ROWID"
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

    def open(self) -> None:
        """Make or open the file; ConfigError U-STORE-RECEIPTS, -PATH, -MODE."""
        sqlite_schema.private(self._path)
        try:
            self._connection = connection = sqlite_schema.connect(self._path)
            found = connection.execute("PRAGMA application_id").fetchone()[0]
            if found not in (0, APPLICATION_ID) or connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise ConfigError("U-STORE-RECEIPTS", "store.receipts is no file for receipts; name another")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(_TABLE)
        except sqlite3.Error as error:
            raise ConfigError("U-STORE-RECEIPTS", "store.receipts cannot be opened; check its folder") from error

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def keep(self, ehr: str, receipt: Receipt) -> None:
        """Write a receipt; it survives loss of power once this returns. Unavailable U-STORE-*."""
        signature, body = receipt.signature, _packed(receipt)
        if self._vault is not None:
            body = self._vault.seal(ehr, f"{signature.draft}:receipt", body)
        values = (signature.draft, instant(signature.signed), body)
        self._execute("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?)", values)

    def forget(self, before: datetime) -> None:
        """Remove the receipts of signatures before an instant."""
        self._execute("DELETE FROM receipt WHERE signed < ?", (instant(before),))

    def all(self) -> list[Receipt]:
        """Return the receipts, the oldest signature first."""
        found = self._execute("SELECT draft, body FROM receipt ORDER BY signed, draft", ())
        vault = self._vault
        return [_unpacked(vault.unseal(f"{draft}:receipt", body) if vault else body) for draft, body in found]

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                if self._connection is None:
                    raise sqlite3.ProgrammingError
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise sqlite_schema.store_error(error) from error


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
