"""The hold on Redis: for more than one host, behind the same protocol and steps as the SQLite store.

What one step reads and writes is in one shard (``redis.keys``); it is written by one script, whole or not at all,
and only while what it was decided on still stands.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from service.drafts.commit import flag_steps, outbox_steps, register_steps, settling, steps
from service.drafts.commit.outbox_steps import Finish
from service.drafts.commit.settling import Read, Word
from service.drafts.records import AuditEntry, Draft, NewDraft, OutboxEntry, Prepared, Shown, Signature, State
from service.drafts.redis import reads as redis_reads
from service.drafts.redis import resealing as redis_resealing
from service.drafts.redis import rows as redis_rows
from service.drafts.redis import verify as redis_verify
from service.drafts.redis.acknowledging import Receipted, acknowledged
from service.drafts.redis.keys import microseconds, person, shard_of, shard_of_id
from service.drafts.redis.receipt import Rejected, Revoked, Signed
from service.drafts.redis.receipts import Receipts
from service.drafts.redis.remembering import Remembering
from service.drafts.redis.scripts import SHORT
from service.drafts.redis.server import Server
from service.drafts.redis.standing import RedisStanding
from service.drafts.redis.steps import Scope, of_draft, of_signing
from service.drafts.redis.transaction import RedisTransaction
from service.drafts.trail.verification import AuditReport
from service.drafts.vault import Vault
from service.errors import ConfigError, ServiceError, Unavailable

SWEEP: Final = 100


class RedisStore(RedisStanding):
    """Implements ``Store`` on a Redis or Redis Cluster; ``receipts`` is a file of this host.

    ``clock`` is for tests, in place of the server's TIME.
    """

    def __init__(
        self,
        url: str,
        receipts: Path,
        replicas: int = 0,
        clock: Callable[[], datetime] | None = None,
        vault: Vault | None = None,
    ) -> None:
        super().__init__(Server(url, replicas, clock, vault), Receipts(receipts, vault))
        self._remembering = Remembering(self._server, self._receipts)

    async def open(self) -> None:
        """Connect, check that the server keeps its promises, and that it knows what was acknowledged here.

        ConfigError or Unavailable, U-STORE-*.
        """
        whole = False
        try:
            await self._server.open()
            await asyncio.to_thread(self._receipts.open)
            await self._remembering.check()
            self._server.answering.check = self._remembering.check
            whole = True
        finally:
            if not whole:
                await self.close()

    async def close(self) -> None:
        """Close the connections; closing twice is fine."""
        await self._server.close()
        await asyncio.to_thread(self._receipts.close)

    async def now(self) -> datetime:
        """Return the server's time (UTC)."""
        return (await self._steps.load(Scope(0))).now

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
        scope = Scope(shard_of(patient), patient=person(ehr, patient), facts=facts, card=shown.uuid if shown else "")
        return await self._steps.take(scope, lambda tx: register_steps.hold(tx, new))

    async def mark(self, ids: Sequence[str], state: State, actor: str, detail: Mapping[str, Any]) -> None:
        """Move unsigned drafts; see ``Store.mark``. Drafts of several patients are moved patient by patient."""
        shards = {shard: tuple(one for one in ids if shard_of_id(one) == shard) for shard in map(shard_of_id, ids)}
        for shard, mine in shards.items() if len(shards) > 1 else ():
            found = RedisTransaction(await self._steps.load(Scope(shard, mine)))
            for one in mine:
                found.draft(one)
        for shard, mine in shards.items():
            await self._steps.take(Scope(shard, mine), lambda tx, mine=mine: steps.mark(tx, mine, state, actor, detail))

    async def read(self, draft: str) -> Draft:
        """Return one draft; NotFound U-DRAFT-UNKNOWN."""
        return RedisTransaction(await self._steps.load(of_draft(draft))).draft(draft).draft

    async def find(
        self,
        *,
        ehr: str | None = None,
        patient: str | None = None,
        states: Sequence[State] | None = None,
        limit: int = 1000,
    ) -> Sequence[Draft]:
        """Return drafts, newest first, those of one assessment by rank."""
        return await redis_reads.find(self._server, self._steps, ehr, patient, states, limit)

    async def count(self, states: Sequence[State], ehr: str | None = None) -> int:
        """Count drafts in the given states."""
        return await redis_reads.count(self._server, states, ehr)

    async def prepare(self, draft: str, expected_version: int, prepared: Prepared, resource: bytes | None) -> None:
        """Keep the bytes shown; see ``Store.prepare``. Conflict U-DRAFT-*, U-DIGEST."""
        if prepared.draft != draft:
            raise Unavailable("U-STORE-FAILED", "prepared bytes of another draft; report this")
        await self._steps.take(of_signing(draft), lambda tx: steps.prepare(tx, expected_version, prepared, resource))

    async def prepared(self, draft: str, digest: str, practitioner: str) -> Prepared | None:
        """Return what was shown to this practitioner under this digest."""
        return RedisTransaction(await self._steps.load(of_signing(draft))).prepared_for(draft, digest, practitioner)

    async def sign(self, signature: Signature, *, write_back: bool, detail: Mapping[str, Any]) -> Draft:
        """Record the signature and queue the write-back; see ``Store.sign``."""

        def step(tx: RedisTransaction) -> Receipted[Draft]:
            draft = tx.draft(signature.draft).draft
            register_steps.check_consent(tx, draft)
            flag_steps.check_not_closed(tx, draft)
            steps.check_not_pending(tx, draft)
            shown = tx.prepared_for(signature.draft, signature.digest, signature.practitioner)
            draft = steps.sign(tx, signature, write_back, detail)
            assert shown is not None  # noqa: S101 - or else the step has refused it
            return draft, draft.ehr, Signed(shown, signature, write_back, dict(detail))

        scope = of_signing(signature.draft)
        return await acknowledged(self._receipts, lambda beside: self._steps.recall(scope, step, beside))

    async def reject(self, draft: str, expected_version: int | None, actor: str, detail: Mapping[str, Any]) -> Draft:
        """End an unsigned draft as ``overridden``; a ``comment`` in ``detail`` is kept beside the chain."""

        def step(tx: RedisTransaction) -> Receipted[Draft]:
            ended = steps.reject(tx, draft, expected_version, actor, detail)
            return ended, ended.ehr, Rejected(draft, ended.version, actor, tx.now, dict(detail))

        return await acknowledged(self._receipts, lambda beside: self._steps.take(of_draft(draft), step, beside))

    async def signature(self, draft: str) -> Signature | None:
        """Return the draft's signature, if it has one."""
        return RedisTransaction(await self._steps.load(of_draft(draft))).signature(draft)

    async def revisions(self, draft: str) -> Mapping[int, bytes]:
        """Return all versions of a draft's resource, none of an unknown draft."""
        found = redis_rows.fields((await redis_reads.record(self._server, "draft", draft))[1])
        return {int(version): resource for version, resource in found.items()}

    async def comments(self, draft: str) -> Mapping[int, str]:
        """Return the comments that people gave, by the number of their audit entry."""
        found = redis_rows.fields((await redis_reads.record(self._server, "draft", draft))[6])
        return {int(seq): text.decode() for seq, text in sorted(found.items(), key=lambda item: int(item[0]))}

    async def note(self, draft: str, event: Literal["referred"], actor: str, detail: Mapping[str, Any]) -> Draft:
        """Record something that leaves an unsigned draft as it is."""
        return await self._steps.take(of_draft(draft), lambda tx: steps.note(tx, draft, event, actor, detail))

    async def expire(self) -> int:
        """End unsigned drafts past their time; returns how many. Looks, too, whether another server answers now."""
        await self._remembering.check()
        total = 0
        while found := await redis_reads.overdue(self._server, SWEEP):
            for shard, ids in found:
                total += await self._steps.take(Scope(shard, tuple(ids)), steps.expire)
        await self._remembering.tidy(await self.now())
        return total

    async def claim(self, lease_s: int, without: Collection[str] = ()) -> OutboxEntry | None:
        """Take the next write-back whose time has come; see ``Store.claim``."""
        while draft := await redis_reads.longest_due(self._server, without):
            scope = Scope(shard_of_id(draft), (draft,), due=draft)
            entry = await self._steps.take(scope, lambda tx: outbox_steps.claim(tx, lease_s, without))
            if entry is not None:
                return entry
        return None

    async def progress(self, entry: OutboxEntry, step: Mapping[str, str]) -> None:
        """Record a finished step under the lease; the step ``order`` makes the draft ``written``."""
        await self._steps.take(of_draft(entry.draft), lambda tx: outbox_steps.progress(tx, entry, step))

    async def finish(self, entry: OutboxEntry, state: Finish, detail: Mapping[str, Any], retry_s: int = 0) -> None:
        """End or re-queue a write-back under its lease; Conflict U-LEASE-LOST."""
        await self._steps.take(of_draft(entry.draft), lambda tx: outbox_steps.finish(tx, entry, state, detail, retry_s))

    async def settle(self, draft: str, ending: Read | Word, actor: str, detail: Mapping[str, Any]) -> Draft:
        """End a wait or a stuck write-back; see ``Store.settle``."""

        def step(tx: RedisTransaction) -> Draft:
            return settling.settle(tx, draft, ending, actor, detail)

        def revoke(tx: RedisTransaction) -> Receipted[Draft]:
            ended = step(tx)
            return ended, ended.ehr, Revoked(draft, actor, tx.now, dict(detail))

        if ending != "revoked":
            return await self._steps.take(of_draft(draft), step)
        return await acknowledged(self._receipts, lambda beside: self._steps.take(of_draft(draft), revoke, beside))

    async def history(self, draft: str) -> Sequence[AuditEntry]:
        """Return a draft's audit chain, oldest first."""
        return await redis_reads.history(self._server, "draft", draft)

    async def verify(self, jwks: Mapping[str, Any] | None = None) -> Sequence[str]:
        """Return the faults of all chains, records and signatures; JWS are checked when keys are given."""
        return (await self.audit(jwks)).faults

    async def audit(self, jwks: Mapping[str, Any] | None = None) -> AuditReport:
        """Verify everything, what was acknowledged here too, and say how much that was."""
        return await redis_verify.verify(self._server, jwks, await asyncio.to_thread(self._receipts.acknowledged))

    async def rekey(self) -> int:
        """Wrap every data key anew and give each tenant a new one for what comes; returns how many keys there are."""
        vault = self._server.sealing.vault
        if vault is None:
            raise ConfigError("U-STORE-KEY", "the store is not sealed; give keys in store.key_file first")
        return await self._server.rekey(vault)

    async def reseal(self) -> int:
        """Seal what is under a replaced data key under the one in use; returns how many values."""
        vault = self._server.sealing.vault
        if vault is None:
            raise ConfigError("U-STORE-KEY", "the store is not sealed; give keys in store.key_file first")
        return await redis_resealing.reseal(self._server, vault)

    async def seen(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Remember a token id until it expires; True when it was seen before."""
        return await self._short("once", person("seen", issuer, jti), b"", expires) is not None

    async def keep(self, kind: str, key: str, value: bytes, expires: datetime) -> None:
        """Keep a short-lived record, sealed by the caller."""
        await self._short("keep", person("kept", kind, key), value, expires)

    async def kept(self, kind: str, key: str) -> bytes | None:
        """Return a kept record that has not expired."""
        return await self._short("kept", person("kept", kind, key))

    async def drop(self, kind: str, key: str) -> bytes | None:
        """Remove a kept record and return it: exactly one of many callers gets it."""
        return await self._short("drop", person("kept", kind, key))

    async def card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Remember which drafts a card showed; they are one patient's."""
        shards = {shard_of_id(draft) for draft in drafts} or {shard_of(uuid)}
        if len(shards) > 1:
            raise ServiceError("U-STORE-CONSTRAINT", "a card shows the drafts of one patient; report this")
        scope = Scope(shards.pop(), tuple(drafts), card=uuid)
        await self._steps.take(scope, lambda tx: steps.card(tx, uuid, ehr, drafts, detail))

    async def card_drafts(self, uuid: str) -> Sequence[str] | None:
        """Return the drafts of a card, None for an unknown card."""
        return await redis_reads.card_drafts(self._server, uuid)

    async def card_ehr(self, uuid: str) -> str | None:
        """Return the tenant whose call a card answered, None for an unknown card."""
        return await redis_reads.card_ehr(self._server, uuid)

    async def _short(self, what: str, name: str, value: bytes = b"", ends: datetime | None = None) -> bytes | None:
        end = str(microseconds(ends)) if ends else ""
        return await self._server.run(SHORT, shard_of(name), self._server.given(), what, name, value, end)
