"""What stands beside the drafts on SQLite, and the one file and writing thread that all of it is kept by.

A read sees every commit that was acknowledged before it. Several processes may share the file.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from service.drafts.commit import flag_steps, register_steps
from service.drafts.flags import Alarm, Attested, Flag, NewAttestation
from service.drafts.records import AuditEntry, Shown
from service.drafts.registers import Kind, Registered
from service.drafts.sqlite import flags as sqlite_flags
from service.drafts.sqlite import forgetting as sqlite_forgetting
from service.drafts.sqlite import registers as sqlite_registers
from service.drafts.sqlite import schema as sqlite_schema
from service.drafts.sqlite.store_time import StoreTime
from service.drafts.sqlite.transaction import SqliteTransaction
from service.drafts.sqlite.writer import Writer
from service.drafts.vault import Vault
from service.errors import Unavailable

T = TypeVar("T")


def utc_now() -> datetime:
    """Return the host's time, by which deadlines and entries are measured as long as it does not fall."""
    return datetime.now(UTC)


class SqliteStanding:
    """Flags and registers of one file of a local disk, sealed where there is a ``vault``. ``clock`` is for tests."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = utc_now, vault: Vault | None = None) -> None:
        self._path = path
        self._vault = vault
        self._time = StoreTime(clock)
        self._writer: Writer | None = None
        self._reader: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Create or migrate the file and start the writer; ConfigError or Unavailable, U-STORE-*."""
        await asyncio.to_thread(sqlite_schema.prepare, self._path, self._vault)
        self._reader = sqlite_schema.connect(self._path, self._vault, read_only=True)
        self._writer = Writer(sqlite_schema.connect(self._path, self._vault), self._time)
        self._writer.start()

    async def close(self) -> None:
        """Finish what is queued and close; closing twice is fine."""
        writer, self._writer = self._writer, None
        reader, self._reader = self._reader, None
        if writer is not None:
            await asyncio.to_thread(writer.stop)
        if reader is not None:
            reader.close()

    async def now(self) -> datetime:
        """Return the store's time (UTC)."""
        with self._reading() as connection:
            return self._time.now(connection)

    async def raise_flag(self, ehr: str, patient: str, facts: str, context: bytes, shown: Shown) -> Flag:
        """Record the card that shows what a person must look into; see ``FlagStore.raise_flag``."""
        new = flag_steps.Raising(ehr, patient, facts, context, shown)
        return await self._step(lambda tx: flag_steps.raise_flag(tx, new))

    async def flag(self, flag: str) -> Flag:
        """Return a flag; NotFound U-FLAG-UNKNOWN."""
        with self._reading() as connection:
            return sqlite_flags.load(connection, flag).flag

    async def flag_of(self, ehr: str, patient: str) -> Flag | None:
        """Return a patient's flag."""
        with self._reading() as connection:
            held = sqlite_flags.find(connection, ehr, patient)
        return None if held is None else held.flag

    async def alarm(self, flag: str) -> Alarm | None:
        """Return the last alarm of a flag."""
        with self._reading() as connection:
            return sqlite_flags.alarm(connection, flag)

    async def attest(self, new: NewAttestation, detail: Mapping[str, Any]) -> Attested:
        """Record an attestation; see ``FlagStore.attest``."""
        return await self._step(lambda tx: flag_steps.attest(tx, new, detail))

    async def attestation(self, attestation: str) -> tuple[Flag, Attested]:
        """Return an attestation with its flag; NotFound U-FLAG-UNKNOWN."""
        with self._reading() as connection:
            return sqlite_flags.attestation(connection, attestation)

    async def attestations(self, ehr: str, patient: str) -> Sequence[Attested]:
        """Return all that was attested of a patient, the oldest assessment first."""
        with self._reading() as connection:
            return sqlite_flags.attestations(connection, ehr, patient)

    async def flag_history(self, flag: str) -> Sequence[AuditEntry]:
        """Return a flag's audit chain, oldest first."""
        with self._reading() as connection:
            return sqlite_flags.history(connection, flag)

    async def enter(
        self,
        kind: Kind,
        ehr: str,
        subject: str,
        event: str,
        actor: str,
        detail: Mapping[str, Any],
        *,
        after: int | None = None,
    ) -> Registered:
        """Append the next entry of a register; see ``RegisterStore.enter``."""
        new = register_steps.Entering(kind, ehr, subject, event, actor, detail, after)
        return await self._step(lambda tx: register_steps.enter(tx, new))

    async def forget(self, chains: Sequence[Registered], ehr: str, actor: str, detail: Mapping[str, Any]) -> Registered:
        """Remove whole registers of accesses; see ``RegisterStore.forget``."""
        new = register_steps.Entering("forgotten", ehr, "access", "forgotten", actor, detail)
        return await self._write(lambda connection, now: sqlite_forgetting.forget(connection, now, new, chains))

    async def registered(
        self, kind: Kind, *, ehr: str | None = None, subject: str | None = None
    ) -> Sequence[Registered]:
        """Return the last entry of each register of a kind."""
        with self._reading() as connection:
            return sqlite_registers.registered(connection, kind, ehr, subject)

    async def entries(self, register: str) -> Sequence[AuditEntry]:
        """Return a register's chain, oldest first; NotFound U-REGISTER-UNKNOWN."""
        with self._reading() as connection:
            return sqlite_registers.entries(connection, register)

    async def heads(self) -> Sequence[tuple[str, int, str]]:
        """Return id, number and hash of the last entry of every chain, except the checkpoints' own."""
        return await asyncio.to_thread(self._heads)

    def _heads(self) -> Sequence[tuple[str, int, str]]:
        with closing(sqlite_schema.connect(self._path, read_only=True)) as connection:
            return sqlite_registers.heads(connection)

    async def _step(self, step: Callable[[SqliteTransaction], T]) -> T:
        return await self._write(lambda connection, now: step(SqliteTransaction(connection, now)))

    async def _write(self, work: Callable[[sqlite3.Connection, datetime], T]) -> T:
        if self._writer is None:
            raise Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
        return await self._writer.submit(work)

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        if self._reader is None:
            raise Unavailable("U-STORE-CLOSED", "the store is closed; start the service again")
        try:
            yield self._reader
        except sqlite3.Error as error:
            raise sqlite_schema.store_error(error) from error
