"""Encryption at rest in the SQLite store: functions that its statements call, and where its data keys are."""

import sqlite3
from collections.abc import Sequence

from service.drafts.vault import DataKey, Vault
from service.errors import ConfigError

Value = bytes | str | None


def register(connection: sqlite3.Connection, vault: Vault | None) -> None:
    """Give a connection the functions by which values are sealed and opened."""

    def seal(tenant: str, place: str, value: Value) -> Value:
        if vault is None or value is None:
            return value
        return vault.seal_text(tenant, place, value) if isinstance(value, str) else vault.seal(tenant, place, value)

    def unseal(place: str, value: Value) -> Value:
        if vault is None or value is None:
            return value
        return vault.unseal_text(place, value) if isinstance(value, str) else vault.unseal(place, value)

    connection.create_function("seal", 3, seal)
    connection.create_function("unseal", 2, unseal)
    connection.create_function("fixed", 1, vault.fixed if vault else _same, deterministic=True)
    connection.create_function("unfixed", 1, vault.unfixed if vault else _same)


def failed(error: sqlite3.Error) -> bool:
    """Tell whether a statement failed since a value could not be sealed or opened: its own mistake, not the file's."""
    return "user-defined function" in str(error)


def data_keys(connection: sqlite3.Connection) -> Sequence[DataKey]:
    """Return the data keys that the file has."""
    return [DataKey(*row) for row in connection.execute("SELECT id, tenant, serial, master, wrapped FROM data_key")]


def open_vault(connection: sqlite3.Connection, vault: Vault | None) -> None:
    """Load the file's data keys and make those that are missing; ConfigError U-STORE-KEY."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        kept = data_keys(connection)
        if vault is None and kept:
            raise ConfigError("U-STORE-KEY", "the store is sealed; give the keys in store.key_file")
        made: Sequence[DataKey] = ()
        if vault is not None:
            if not kept and _has_records(connection):
                raise ConfigError("U-STORE-KEY", "the store has records that are not sealed; give keys to a new one")
            vault.load(kept)
            made = vault.missing()
            keep(connection, made)
        connection.execute("COMMIT")
        if vault is not None:
            vault.load(made)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def keep(connection: sqlite3.Connection, keys: Sequence[DataKey]) -> None:
    """Write data keys, new ones and those that are wrapped anew; they are used once that is durable."""
    for one in keys:
        values = (one.id, one.tenant, one.serial, one.master, one.wrapped)
        connection.execute("INSERT OR REPLACE INTO data_key VALUES (?, ?, ?, ?, ?)", values)


def _has_records(connection: sqlite3.Connection) -> bool:
    some = "SELECT id FROM draft UNION ALL SELECT id FROM flag UNION ALL SELECT id FROM register LIMIT 1"
    return connection.execute(some).fetchone() is not None


def _same(value: str) -> str:
    return value
