"""The SQLite file of the hold: migrations by ``user_version``, and how a connection is opened.

WAL with ``synchronous=FULL`` for every commit: a commit that returned survives loss of power
(sqlite.org/wal.html, pragma.html#pragma_synchronous), and one commit costs about as much as a bare append
with fdatasync. Local disks only. Checkpoints are the writer's, off the request path.
"""

import os
import sqlite3
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from service.drafts.sqlite import sealing as sqlite_sealing
from service.drafts.sqlite.tables import MIGRATIONS
from service.drafts.vault import DataKey, Vault
from service.errors import ConfigError, ServiceError, Unavailable

APPLICATION_ID: Final = 0x554E4453  # "UNDS": tells our file from any other SQLite file
OLDEST: Final = (3, 37, 0)  # the first with STRICT tables
BUSY_TIMEOUT_MS: Final = 5_000
_OPEN_ATTEMPTS: Final = 50
_WRONG_FILE: Final = {"SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY"}


def connect(path: Path, vault: Vault | None = None, *, read_only: bool = False) -> sqlite3.Connection:
    """Return a connection with the pragmas that the promises rest on; usable from another thread.

    Its statements seal and open values by ``seal(tenant, place, value)``, ``unseal(place, value)``, ``fixed(text)`` and
    ``unfixed(text)``; without a vault these give the value as it is.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "wal_autocheckpoint=0",
        "trusted_schema=OFF",
        f"query_only={'ON' if read_only else 'OFF'}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    sqlite_sealing.register(connection, vault)
    return connection


def prepare(path: Path, vault: Vault | None = None) -> None:
    """Create the file where it is absent, bring it up to date and check that it keeps its promises.

    ConfigError: U-STORE-PATH (cannot be opened or is no SQLite file), U-STORE-FOREIGN (another program's
    file), U-STORE-VERSION (made by a newer version), U-STORE-WAL (the place does not do write-ahead logging),
    U-STORE-MODE (readable by others and cannot be changed), U-STORE-SQLITE. Unavailable U-STORE-* where it is
    only busy.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise ConfigError("U-STORE-SQLITE", "this Python has an SQLite before 3.37; use a newer one")
    private(path)
    try:
        connection = connect(path)
        try:
            _recognise(connection)
            _write_ahead(connection)
            _migrate(connection)
            sqlite_sealing.open_vault(connection, vault)
            if vault is not None:
                vault.refetch = lambda: _data_keys(path)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if error_name(error) in _WRONG_FILE:
            msg = "the store's file cannot be opened as SQLite; check store.url and the folder's rights"
            raise ConfigError("U-STORE-PATH", msg) from error
        raise store_error(error) from error


def _data_keys(path: Path) -> Sequence[DataKey]:
    connection = connect(path, read_only=True)
    try:
        return sqlite_sealing.data_keys(connection)
    finally:
        connection.close()


def error_name(error: sqlite3.Error) -> str:
    """Return SQLite's primary name of an error, empty where it has none."""
    name = getattr(error, "sqlite_errorname", None) or ""
    return "_".join(str(name).split("_")[:2])


def store_error(error: sqlite3.Error) -> ServiceError:
    """Return what a caller is told of a failure of SQLite, without the text of any statement or value."""
    name = error_name(error)
    if sqlite_sealing.failed(error):
        return ServiceError("U-STORE-SEAL", "a record cannot be sealed or opened; check the keys, and verify the audit")
    if name == "SQLITE_FULL":
        return Unavailable("U-STORE-FULL", "the store's disk is full; free space, nothing was recorded")
    if name in {"SQLITE_BUSY", "SQLITE_LOCKED"}:
        return Unavailable("U-STORE-LOCKED", "the store is locked by another process; try again")
    if isinstance(error, sqlite3.IntegrityError):
        return ServiceError("U-STORE-CONSTRAINT", "the store refused a record that breaks its rules; report this")
    if isinstance(error, sqlite3.ProgrammingError):
        return Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
    return Unavailable("U-STORE-FAILED", f"the store failed ({name or 'SQLite'}); see the service's disk")


def private(path: Path) -> None:
    """Make the file where it is absent and its user's own; ConfigError U-STORE-MODE or -PATH."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) != 0o600:
            path.chmod(0o600)
    except PermissionError as error:
        raise ConfigError("U-STORE-MODE", "the store's file must be this user's own, mode 0600") from error
    except OSError as error:
        raise ConfigError("U-STORE-PATH", "the store's file cannot be made; check store.url") from error


def _recognise(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN")  # one snapshot: another worker may be making the tables just now
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    connection.execute("COMMIT")
    if found != APPLICATION_ID and (found or tables):
        raise ConfigError("U-STORE-FOREIGN", "the store's file belongs to another program; check store.url")


def _write_ahead(connection: sqlite3.Connection) -> None:
    # The switch to WAL needs the file alone and does not wait for it, so workers that start together take
    # turns.
    for attempt in range(_OPEN_ATTEMPTS):
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if error_name(error) != "SQLITE_BUSY" or attempt == _OPEN_ATTEMPTS - 1:
                raise
            time.sleep(0.02)
    else:
        mode = ""
    if mode != "wal":
        raise ConfigError("U-STORE-WAL", "this place cannot do write-ahead logging; use a local disk")


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > len(MIGRATIONS):
            raise ConfigError("U-STORE-VERSION", "the store was made by a newer version; use that one")
        for statements in MIGRATIONS[found:]:
            for statement in statements:
                connection.execute(statement)
        if found < len(MIGRATIONS):
            connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
