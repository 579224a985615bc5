"""What a step on the Redis store decides on: the answer of ``lua/load.lua`` as records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.drafts.commit.transaction import Held, HeldFlag, HeldRegister, Outbox
from service.drafts.flags import Alarm, Attested
from service.drafts.records import Prepared, Signature
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.keys import from_microseconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What ``load.lua`` found of one shard; ``register`` is the one asked for, or else the patient's consent."""

    now: datetime
    drafts: Mapping[str, Held]
    prepared: Mapping[str, Mapping[str, Prepared]]
    signatures: Mapping[str, Signature]
    outboxes: Mapping[str, Outbox]
    patient: str
    tick: str
    flag: HeldFlag | None
    alarm: Alarm | None
    attestations: Sequence[Attested]
    cards: Mapping[str, Mapping[str, Any]]
    register: HeldRegister | None


def snapshot(found: Sequence[Any], card: str) -> Snapshot:
    """Return what the script answered as records."""
    drafts: dict[str, Held] = {}
    prepared: dict[str, Mapping[str, Prepared]] = {}
    signatures: dict[str, Signature | None] = {}
    outboxes: dict[str, Outbox | None] = {}
    for raw_id, row, resource, shown, signed, queued in found[1]:
        identity = raw_id.decode()
        drafts[identity] = redis_rows.draft(identity, redis_rows.fields(row), resource)
        prepared[identity] = {name: redis_rows.prepared(raw) for name, raw in redis_rows.fields(shown).items()}
        signatures[identity] = redis_rows.signature(redis_rows.fields(signed))
        outboxes[identity] = redis_rows.outbox(redis_rows.fields(queued))
    flag = found[4]
    known = redis_rows.card(card, redis_rows.fields(found[5]))
    return Snapshot(
        now=from_microseconds(found[0]),
        drafts=drafts,
        prepared=prepared,
        signatures={name: one for name, one in signatures.items() if one is not None},
        outboxes={name: one for name, one in outboxes.items() if one is not None},
        patient=found[2].decode(),
        tick=found[3].decode(),
        flag=redis_rows.flag(flag[0].decode(), redis_rows.fields(flag[1])) if flag else None,
        alarm=redis_rows.alarm(flag[2]) if flag and flag[2] else None,
        attestations=[redis_rows.attestation(raw) for raw in flag[3]] if flag else [],
        cards={card: known} if known is not None else {},
        register=redis_rows.register(found[6][0].decode(), redis_rows.fields(found[6][1]), found[6][2])
        if found[6]
        else None,
    )
