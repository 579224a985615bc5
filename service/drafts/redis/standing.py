"""What stands beside the drafts on Redis: flags and registers, by the steps and questions that drafts go by too."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.drafts.commit import flag_steps, register_steps
from service.drafts.flags import Alarm, Attested, Flag, NewAttestation
from service.drafts.records import AuditEntry, Shown, Signature
from service.drafts.redis import forgetting as redis_forgetting
from service.drafts.redis import reads as redis_reads
from service.drafts.redis import register_replay
from service.drafts.redis.acknowledging import Receipted, acknowledged
from service.drafts.redis.keys import person, shard_of
from service.drafts.redis.receipt import Word
from service.drafts.redis.receipts import Receipts
from service.drafts.redis.server import Server
from service.drafts.redis.steps import Scope, Steps, of_register
from service.drafts.redis.transaction import RedisTransaction
from service.drafts.registers import Kind, Registered


class RedisStanding:
    """Flags and registers of a Redis or Redis Cluster, and its orders by their ids."""

    def __init__(self, server: Server, receipts: Receipts) -> None:
        self._server = server
        self._receipts = receipts
        self._steps = Steps(server)

    async def signature_of_order(self, order_id: str) -> Signature | None:
        """Return the signature of an order by the order's id."""
        return await redis_reads.signature_of_order(self._server, self._steps, order_id)

    async def raise_flag(self, ehr: str, patient: str, facts: str, context: bytes, shown: Shown) -> Flag:
        """Record the card that shows what a person must look into; see ``FlagStore.raise_flag``."""
        new = flag_steps.Raising(ehr, patient, facts, context, shown)
        scope = Scope(shard_of(patient), patient=person(ehr, patient), card=shown.uuid)
        return await self._steps.take(scope, lambda tx: flag_steps.raise_flag(tx, new))

    async def flag(self, flag: str) -> Flag:
        """Return a flag; NotFound U-FLAG-UNKNOWN."""
        return (await redis_reads.flag(self._server, flag)).flag

    async def flag_of(self, ehr: str, patient: str) -> Flag | None:
        """Return a patient's flag."""
        held = (await self._steps.load(_patient(ehr, patient))).flag
        return None if held is None else held.flag

    async def alarm(self, flag: str) -> Alarm | None:
        """Return the last alarm of a flag."""
        return await redis_reads.alarm(self._server, flag)

    async def attest(self, new: NewAttestation, detail: Mapping[str, Any]) -> Attested:
        """Record an attestation; see ``FlagStore.attest``."""

        def step(tx: RedisTransaction) -> Receipted[Attested]:
            made = flag_steps.attest(tx, new, detail)
            return made, new.ehr, Word(new.ehr, new.patient, made, dict(detail))

        scope = _patient(new.ehr, new.patient)
        return await acknowledged(self._receipts, lambda beside: self._steps.take(scope, step, beside))

    async def attestation(self, attestation: str) -> tuple[Flag, Attested]:
        """Return an attestation with its flag; NotFound U-FLAG-UNKNOWN."""
        return await redis_reads.attestation(self._server, attestation)

    async def attestations(self, ehr: str, patient: str) -> Sequence[Attested]:
        """Return all that was attested of a patient, the oldest assessment first."""
        return RedisTransaction(await self._steps.load(_patient(ehr, patient))).attestations("")

    async def flag_history(self, flag: str) -> Sequence[AuditEntry]:
        """Return a flag's audit chain, oldest first."""
        return await redis_reads.history(self._server, "flag", flag)

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
        scope = of_register(kind, ehr, subject)
        if not register_replay.decides(kind, detail):
            return await self._steps.take(scope, lambda tx: register_steps.enter(tx, new))

        def step(tx: RedisTransaction) -> Receipted[Registered]:
            entered = register_steps.enter(tx, new)
            return entered, ehr, entered

        return await acknowledged(self._receipts, lambda beside: self._steps.take(scope, step, beside))

    async def forget(self, chains: Sequence[Registered], ehr: str, actor: str, detail: Mapping[str, Any]) -> Registered:
        """Remove whole registers of accesses; see ``RegisterStore.forget``. What was said comes before it is done."""
        entered = await self.enter("forgotten", ehr, "access", "forgotten", actor, detail)
        await redis_forgetting.forget(self._server, chains)
        return entered

    async def registered(
        self, kind: Kind, *, ehr: str | None = None, subject: str | None = None
    ) -> Sequence[Registered]:
        """Return the last entry of each register of a kind."""
        return await redis_reads.registered(self._server, kind, ehr, subject)

    async def entries(self, register: str) -> Sequence[AuditEntry]:
        """Return a register's chain, oldest first; NotFound U-REGISTER-UNKNOWN."""
        return await redis_reads.entries(self._server, register)

    async def heads(self) -> Sequence[tuple[str, int, str]]:
        """Return id, number and hash of the last entry of every chain, except the checkpoints' own."""
        return await redis_reads.heads(self._server)


def _patient(ehr: str, patient: str) -> Scope:
    return Scope(shard_of(patient), patient=person(ehr, patient))
