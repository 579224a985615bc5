"""The hold on SQLite: one file, one writing thread a process, reads from a connection of their own."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from service.drafts.canonical_json import loads
from service.drafts.commit import flag_steps, outbox_steps, register_steps, settling, steps
from service.drafts.commit.outbox_steps import Finish
from service.drafts.commit.settling import Read, Word
from service.drafts.records import AuditEntry, Draft, NewDraft, OutboxEntry, Prepared, Shown, Signature, State
from service.drafts.sqlite import resealing as sqlite_resealing
from service.drafts.sqlite import rows as sqlite_rows
from service.drafts.sqlite import sealing as sqlite_sealing
from service.drafts.sqlite import short as sqlite_short
from service.drafts.sqlite import verify as sqlite_verify
from service.drafts.sqlite.rows import marks
from service.drafts.sqlite.standing import SqliteStanding
from service.drafts.sqlite.transaction import SqliteTransaction
from service.drafts.trail.verification import AuditReport
from service.errors import ConfigError, Unavailable

T = TypeVar("T")


class SqliteStore(SqliteStanding):
    """Implements ``Store`` on one file of a local disk, sealed where there is a ``vault``. ``clock`` is for tests."""

    async def hold(
        self,
        ehr: str,
        patient: str,
        facts: str,
        drafts: Sequence[NewDraft],
        expires_after_s: int,
        actor: str,
        shown: Shown | None = None,
    ) -> Sequence[Draft]:
        """Hold the drafts of one assessment, in rank order; see ``Store.hold``."""
        new = steps.Holding(ehr, patient, facts, drafts, expires_after_s, actor, shown)
        return await self._step(lambda tx: register_steps.hold(tx, new))

    async def mark(self, ids: Sequence[str], state: State, actor: str, detail: Mapping[str, Any]) -> None:
        """Move unsigned drafts; see ``Store.mark``. A ``comment`` in ``detail`` is kept beside the chain."""
        await self._step(lambda tx: steps.mark(tx, ids, state, actor, detail))

    async def read(self, draft: str) -> Draft:
        """Return one draft; NotFound U-DRAFT-UNKNOWN."""
        with self._reading() as connection:
            return sqlite_rows.load(connection, draft).draft

    async def find(
        self,
        *,
        ehr: str | None = None,
        patient: str | None = None,
        states: Sequence[State] | None = None,
        limit: int = 1000,
    ) -> Sequence[Draft]:
        """Return drafts, newest first, those of one assessment by rank."""
        where, values = _where(ehr, patient, states)
        rest = f"{where} ORDER BY d.created DESC, d.rank LIMIT ?"
        with self._reading() as connection:
            return [held.draft for held in sqlite_rows.select(connection, rest, (*values, limit))]

    async def count(self, states: Sequence[State], ehr: str | None = None) -> int:
        """Count drafts in the given states."""
        where, values = _where(ehr, None, states)
        with self._reading() as connection:
            return connection.execute(f"SELECT count(*) FROM draft d {where}", values).fetchone()[0]  # noqa: S608

    async def prepare(self, draft: str, expected_version: int, prepared: Prepared, resource: bytes | None) -> None:
        """Keep the bytes shown; see ``Store.prepare``. Conflict U-DRAFT-*, U-DIGEST."""
        if prepared.draft != draft:
            raise Unavailable("U-STORE-FAILED", "prepared bytes of another draft; report this")
        await self._step(lambda tx: steps.prepare(tx, expected_version, prepared, resource))

    async def prepared(self, draft: str, digest: str, practitioner: str) -> Prepared | None:
        """Return what was shown to this practitioner under this digest."""
        with self._reading() as connection:
            return sqlite_rows.prepared_for(connection, draft, digest, practitioner)

    async def sign(self, signature: Signature, *, write_back: bool, detail: Mapping[str, Any]) -> Draft:
        """Record the signature and queue the write-back; see ``Store.sign``."""

        def step(tx: SqliteTransaction) -> Draft:
            draft = tx.draft(signature.draft).draft
            register_steps.check_consent(tx, draft)
            flag_steps.check_not_closed(tx, draft)
            steps.check_not_pending(tx, draft)
            return steps.sign(tx, signature, write_back, detail)

        return await self._step(step)

    async def reject(self, draft: str, expected_version: int | None, actor: str, detail: Mapping[str, Any]) -> Draft:
        """End an unsigned draft as ``overridden``; a ``comment`` in ``detail`` is kept beside the chain."""
        return await self._step(lambda tx: steps.reject(tx, draft, expected_version, actor, detail))

    async def signature(self, draft: str) -> Signature | None:
        """Return the draft's signature, if it has one."""
        with self._reading() as connection:
            return sqlite_rows.signature(connection, draft)

    async def signature_of_order(self, order_id: str) -> Signature | None:
        """Return the signature of an order by the order's id."""
        with self._reading() as connection:
            return sqlite_rows.signature(connection, order_id, by="order_id")

    async def revisions(self, draft: str) -> Mapping[int, bytes]:
        """Return all versions of a draft's resource, none of an unknown draft."""
        with self._reading() as connection:
            return sqlite_rows.revisions(connection, draft)

    async def comments(self, draft: str) -> Mapping[int, str]:
        """Return the comments that people gave, by the number of their audit entry."""
        with self._reading() as connection:
            return sqlite_rows.comments(connection, draft)

    async def note(self, draft: str, event: Literal["referred"], actor: str, detail: Mapping[str, Any]) -> Draft:
        """Record something that leaves an unsigned draft as it is."""
        return await self._step(lambda tx: steps.note(tx, draft, event, actor, detail))

    async def expire(self) -> int:
        """End unsigned drafts past their time; returns how many."""
        total = 0
        while found := await self._step(steps.expire):
            total += found
        return total

    async def claim(self, lease_s: int, without: Collection[str] = ()) -> OutboxEntry | None:
        """Take the next write-back whose time has come; see ``Store.claim``."""
        with self._reading() as connection:
            if SqliteTransaction(connection, self._time.now(connection)).next_due(without) is None:
                return None
        return await self._step(lambda tx: outbox_steps.claim(tx, lease_s, without))

    async def progress(self, entry: OutboxEntry, step: Mapping[str, str]) -> None:
        """Record a finished step under the lease; the step ``order`` makes the draft ``written``."""
        await self._step(lambda tx: outbox_steps.progress(tx, entry, step))

    async def finish(self, entry: OutboxEntry, state: Finish, detail: Mapping[str, Any], retry_s: int = 0) -> None:
        """End or re-queue a write-back under its lease; Conflict U-LEASE-LOST."""
        await self._step(lambda tx: outbox_steps.finish(tx, entry, state, detail, retry_s))

    async def settle(self, draft: str, ending: Read | Word, actor: str, detail: Mapping[str, Any]) -> Draft:
        """End a wait or a stuck write-back; see ``Store.settle``."""
        return await self._step(lambda tx: settling.settle(tx, draft, ending, actor, detail))

    async def history(self, draft: str) -> Sequence[AuditEntry]:
        """Return a draft's audit chain, oldest first."""
        with self._reading() as connection:
            return sqlite_rows.history(connection, draft)

    async def verify(self, jwks: Mapping[str, Any] | None = None) -> Sequence[str]:
        """Return the faults of all chains, rows and signatures; JWS are checked when keys are given."""
        return (await self.audit(jwks)).faults

    async def audit(self, jwks: Mapping[str, Any] | None = None) -> AuditReport:
        """Verify everything and say how much that was; in a thread, on one snapshot."""
        return await asyncio.to_thread(sqlite_verify.verify, self._path, jwks, self._vault)

    async def rekey(self) -> int:
        """Wrap every data key anew and give each tenant a new one for what comes; returns how many keys there are."""
        vault = self._vault
        if vault is None:
            raise ConfigError("U-STORE-KEY", "the store is not sealed; give keys in store.key_file first")
        keys = vault.renewed()
        await self._write(lambda connection, _: sqlite_sealing.keep(connection, keys))
        vault.load(keys)
        return len(keys)

    async def reseal(self) -> int:
        """Seal what is under a replaced data key under the one in use; returns how many values."""
        vault = self._vault
        if vault is None:
            raise ConfigError("U-STORE-KEY", "the store is not sealed; give keys in store.key_file first")
        with self._reading() as connection:
            vault.load(sqlite_sealing.data_keys(connection))
            parts = sqlite_resealing.owners(connection)
        return sum([await self._write(sqlite_resealing.Resealing(vault, *part)) for part in parts])

    async def seen(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Remember a token id until it expires; True when it was seen before."""
        return await self._write(lambda connection, now: sqlite_short.seen(connection, now, issuer, jti, expires))

    async def keep(self, kind: str, key: str, value: bytes, expires: datetime) -> None:
        """Keep a short-lived record, sealed by the caller."""
        await self._write(lambda connection, now: sqlite_short.keep(connection, now, kind, key, value, expires))

    async def kept(self, kind: str, key: str) -> bytes | None:
        """Return a kept record that has not expired."""
        with self._reading() as connection:
            return sqlite_short.kept(connection, self._time.now(connection), kind, key)

    async def drop(self, kind: str, key: str) -> bytes | None:
        """Remove a kept record and return it: exactly one of many callers gets it."""
        return await self._write(lambda connection, now: sqlite_short.drop(connection, now, kind, key))

    async def card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Remember which drafts a card showed."""
        await self._step(lambda tx: steps.card(tx, uuid, ehr, drafts, detail))

    async def card_drafts(self, uuid: str) -> Sequence[str] | None:
        """Return the drafts of a card, None for an unknown card."""
        with self._reading() as connection:
            row = connection.execute("SELECT drafts FROM card WHERE uuid = ?", (uuid,)).fetchone()
        return None if row is None else tuple(loads(row[0].encode()))

    async def card_ehr(self, uuid: str) -> str | None:
        """Return the tenant whose call a card answered, None for an unknown card."""
        with self._reading() as connection:
            row = connection.execute("SELECT ehr FROM card WHERE uuid = ?", (uuid,)).fetchone()
        return None if row is None else str(row[0])


def _where(ehr: str | None, patient: str | None, states: Sequence[State] | None) -> tuple[str, tuple[object, ...]]:
    terms: list[str] = []
    values: list[object] = []
    for term, value in (("d.ehr = ?", ehr), ("d.patient = fixed(?)", patient)):
        if value is not None:
            terms.append(term)
            values.append(value)
    if states is not None:
        terms.append(f"d.state IN ({marks(states)})")
        values.extend(states)
    return ("WHERE " + " AND ".join(terms) if terms else ""), tuple(values)
