"""The receipts of what this host acknowledged: a file of its own, against a failover that forgets some of it.

Redis acknowledges before its replicas have a commit, so the one that takes over may lack the last ones. The receipt of
a signature, of its revocation, of a consent or of a switch is on the local disk, flushed, before anybody is told: it is
written while Redis commits, and marked as told when both have (``redis.acknowledging``). ``redis.replay``,
``redis.revocation_replay`` and ``redis.register_replay`` hold those that were told against the store; of the others
nobody was told, so they are never recorded again. The workers of one host share the file.
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
from service.drafts.registers import Kind, Registered
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.vault import Vault
from service.errors import ConfigError

APPLICATION_ID: Final = 0x554E4452  # "UNDR": tells our file from any other SQLite file
# A backup older than this is no failover: what is in it is for a person to judge.
KEPT: Final = timedelta(days=30)
# After this nobody waits for the outcome of an attempt any more.
SETTLED: Final = timedelta(hours=1)
_TABLES: Final = tuple(
    f"CREATE TABLE IF NOT EXISTS {name} (id TEXT PRIMARY KEY, {owner} TEXT NOT NULL, {at} TEXT NOT NULL,"
    " told INTEGER NOT NULL CHECK (told IN (0, 1)), body BLOB NOT NULL) STRICT, WITHOUT ROWID"
    for name, owner, at in (("attempt", "draft", "signed"), ("entered", "register", "at"), ("revoked", "draft", "at"))
)
# How the first version kept them: written only after the commit, so all of them told.
_FORMER: Final = (
    "INSERT INTO attempt SELECT draft, draft, signed, 1, body FROM receipt",
    "DROP TABLE receipt",
)
_TIMES: Final = {"attempt": "signed", "entered": "at", "revoked": "at"}
_REVOKED: Final = msgspec.msgpack.Decoder(tuple[str, str, str, bytes])
_ENTERED: Final = msgspec.msgpack.Decoder(tuple[str, Kind, str, str, bytes])
_PACKED: Final = msgspec.msgpack.Decoder(tuple[bytes, dict[str, Any], bool, bytes])


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signature as it was acknowledged, with all that it takes to record it again."""

    prepared: Prepared
    signature: Signature
    write_back: bool
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation as it was acknowledged: whose draft's, by whom, ``at`` the store's time, and what was given."""

    draft: str
    actor: str
    at: datetime
    detail: dict[str, Any]


# The receipt of an entry of a register is that entry.
AnyReceipt = Receipt | Registered | Revoked


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

    def keep(self, identity: str, ehr: str, receipt: AnyReceipt) -> None:
        """Write the receipt of an attempt; it survives loss of power once this returns. Unavailable U-STORE-*."""
        self._keep(identity, ehr, receipt, told=False)

    def keep_told(self, identity: str, ehr: str, receipt: AnyReceipt) -> None:
        """Write a receipt that counts as told, however long that takes. Unavailable U-STORE-*."""
        self._keep(identity, ehr, receipt, told=True)

    def _keep(self, identity: str, ehr: str, receipt: AnyReceipt, *, told: bool) -> None:
        table, owner, at = _where(receipt)
        body = _packed(receipt)
        if self._vault is not None:
            body = self._vault.seal(ehr, f"{owner}:receipt", body)
        values = (identity, owner, instant(at), int(told), body)
        self._execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?)", values)  # noqa: S608

    def tell_now(self, identity: str, receipt: AnyReceipt) -> bool:
        """Mark a receipt as told, without waiting; False where nothing was marked: another writes just now."""
        try:
            if self._quick is None:
                raise sqlite3.ProgrammingError
            mark = f"UPDATE {_where(receipt)[0]} SET told = 1 WHERE id = ?"  # noqa: S608
            marked = self._quick.execute(mark, (identity,)).rowcount
        except sqlite3.OperationalError:
            return False
        except sqlite3.Error as error:
            raise sqlite_schema.store_error(error) from error
        return marked == 1

    def drop(self, identity: str) -> None:
        """Remove the receipt of an attempt that the store has refused. Unavailable U-STORE-*."""
        for table in _TIMES:
            self._execute(f"DELETE FROM {table} WHERE id = ?", (identity,))  # noqa: S608

    def forget(self, told: datetime, untold: datetime) -> None:
        """Remove receipts of before an instant, told and not, and copy the file's log back."""
        for number, before in enumerate((untold, told)):
            for table, at in _TIMES.items():
                self._execute(f"DELETE FROM {table} WHERE told = ? AND {at} < ?", (number, instant(before)))  # noqa: S608
        self._execute("PRAGMA wal_checkpoint(PASSIVE)", ())

    def all(self) -> list[Receipt]:
        """Return the signatures of which the practitioner was told, the oldest first."""
        return [_signed(body) for body in self._read("attempt WHERE told = 1 ORDER BY signed, draft", ())]

    def untold(self, before: datetime) -> list[Receipt]:
        """Return the signatures before an instant of which nobody was told, the oldest first."""
        some = "attempt WHERE told = 0 AND signed < ? ORDER BY signed, draft"
        return [_signed(body) for body in self._read(some, (instant(before),))]

    def entered(self) -> list[Registered]:
        """Return the entries of registers of which somebody was told, the oldest first."""
        return [_entered(body) for body in self._read("entered WHERE told = 1 ORDER BY at, register", ())]

    def untold_entries(self, before: datetime) -> list[Registered]:
        """Return the entries of registers before an instant of which nobody was told, the oldest first."""
        some = "entered WHERE told = 0 AND at < ? ORDER BY at, register"
        return [_entered(body) for body in self._read(some, (instant(before),))]

    def revoked(self) -> list[Revoked]:
        """Return the revocations of which somebody was told, the oldest first."""
        return [_taken_back(body) for body in self._read("revoked WHERE told = 1 ORDER BY at, draft", ())]

    def untold_revoked(self, before: datetime) -> list[Revoked]:
        """Return the revocations before an instant of which nobody was told, the oldest first."""
        some = "revoked WHERE told = 0 AND at < ? ORDER BY at, draft"
        return [_taken_back(body) for body in self._read(some, (instant(before),))]

    def _read(self, some: str, values: tuple[object, ...]) -> list[bytes]:
        owner = "register" if some.startswith("entered") else "draft"
        found, vault = self._execute(f"SELECT {owner}, body FROM {some}", values), self._vault  # noqa: S608
        return [vault.unseal(f"{whose}:receipt", body) if vault else body for whose, body in found]

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
    for table in _TABLES:
        connection.execute(table)
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'receipt'").fetchone():
        for statement in _FORMER:
            connection.execute(statement)
    connection.execute("COMMIT")


def _where(receipt: AnyReceipt) -> tuple[str, str, datetime]:
    """Return a receipt's table, whose it is, and when."""
    if isinstance(receipt, Receipt):
        return "attempt", receipt.signature.draft, receipt.signature.signed
    if isinstance(receipt, Revoked):
        return "revoked", receipt.draft, receipt.at
    return "entered", receipt.id, receipt.entry.at


def _packed(receipt: AnyReceipt) -> bytes:
    if isinstance(receipt, Registered):
        whose = (receipt.id, receipt.kind, receipt.ehr, receipt.subject)
        return msgspec.msgpack.encode((*whose, redis_rows.of_entry(receipt.entry)))
    if isinstance(receipt, Revoked):
        return msgspec.msgpack.encode((receipt.draft, receipt.actor, instant(receipt.at), dumps(receipt.detail)))
    signature = {name: value for name, value in redis_rows.of_signature(receipt.signature).items() if name != "order"}
    said = (redis_rows.of_prepared(receipt.prepared), signature, receipt.write_back, dumps(receipt.detail))
    return msgspec.msgpack.encode(said)


def _taken_back(body: bytes) -> Revoked:
    draft, actor, at, detail = _REVOKED.decode(body)
    return Revoked(draft, actor, read_instant(at), loads(detail))


def _entered(body: bytes) -> Registered:
    register, kind, ehr, subject, entry = _ENTERED.decode(body)
    return Registered(register, kind, ehr, subject, redis_rows.entry(entry))


def _signed(body: bytes) -> Receipt:
    shown, row, write_back, detail = _PACKED.decode(body)
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
