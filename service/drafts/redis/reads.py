"""Questions to the Redis store that change nothing, over all shards where need be."""

from collections.abc import Collection, Sequence
from typing import Any

from service.drafts.commit.transaction import HeldFlag
from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry, Draft, Signature, State
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.keys import batches, person, shard_of, shard_of_id, shard_of_register
from service.drafts.redis.scripts import LOOK, RECORD
from service.drafts.redis.server import Server
from service.drafts.redis.steps import Scope, Steps
from service.drafts.registers import OF_PATIENTS, Kind, Registered
from service.drafts.states import STATES
from service.errors import NotFound


async def find(
    server: Server, steps: Steps, ehr: str | None, patient: str | None, states: Sequence[State] | None, limit: int
) -> Sequence[Draft]:
    """Return drafts, newest first, those of one assessment by rank."""
    wanted = STATES if states is None else tuple(states)
    ids = await _of_patient(server, patient) if patient is not None else await _newest(server, ehr, wanted, limit)
    drafts = [
        draft
        for draft in await _read(steps, ids)
        if draft.state in wanted and ehr in (None, draft.ehr) and patient in (None, draft.patient)
    ]
    drafts.sort(key=lambda draft: draft.rank)
    drafts.sort(key=lambda draft: draft.created, reverse=True)
    return drafts[:limit]


async def count(server: Server, states: Sequence[State], ehr: str | None) -> int:
    """Count drafts in the given states."""
    return sum(await server.each(LOOK, "count", " ".join(dict.fromkeys(states)), ehr or ""))


async def longest_due(server: Server, without: Collection[str] = ()) -> str | None:
    """Return the draft whose write-back has been due the longest, of all shards, and of no tenant in ``without``."""
    found = [item for item in await server.each(LOOK, "due", server.given(), "1", " ".join(without)) if item]
    return min(found, key=lambda item: int(item[1]))[0].decode() if found else None


async def overdue(server: Server, limit: int) -> Sequence[tuple[int, Sequence[str]]]:
    """Return up to ``limit`` ids a shard of unsigned drafts past their time, for the shards that have any."""
    found = await server.each(LOOK, "deadline", server.given(), str(limit))
    return [(shard, [raw.decode() for raw in one[::2]]) for shard, one in enumerate(found) if one]


async def record(server: Server, kind: str, identity: str) -> Sequence[Any]:
    """Return all that is kept of a draft or flag, as ``record.lua`` has it."""
    (found,) = await server.run(RECORD, shard_of_id(identity), kind, identity)
    return await server.opened(lambda: server.sealing.record(kind, identity, found))


async def history(server: Server, kind: str, identity: str) -> Sequence[AuditEntry]:
    """Return the chain of a draft or flag, oldest first."""
    found = await record(server, kind, identity)
    return [redis_rows.entry(raw) for raw in (found[2] if kind == "draft" else found[1])]


async def card_drafts(server: Server, uuid: str) -> Sequence[str] | None:
    """Return the drafts of a card; it is in the shard of its patient, whom its uuid does not tell."""
    for found in await server.each(LOOK, "card", uuid):
        if found is not None:
            return tuple(redis_rows.loads(found))
    return None


async def card_ehr(server: Server, uuid: str) -> str | None:
    """Return the tenant of a card, found as its drafts are."""
    return next((found.decode() for found in await server.each(LOOK, "card-ehr", uuid) if found is not None), None)


async def signature_of_order(server: Server, steps: Steps, order_id: str) -> Signature | None:
    """Return the signature of an order; it is in the shard of its patient, whom its id does not tell."""
    for shard, found in enumerate(await server.each(LOOK, "order", order_id)):
        if found is not None:
            draft = found.decode()
            return (await steps.load(Scope(shard, (draft,)))).signatures.get(draft)
    return None


async def flag(server: Server, identity: str) -> HeldFlag:
    """Return a flag; NotFound U-FLAG-UNKNOWN."""
    found = redis_rows.fields((await record(server, "flag", identity))[0])
    if not found:
        raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this address; open the patient's chart again")
    return redis_rows.flag(identity, found)


async def alarm(server: Server, identity: str) -> Alarm | None:
    """Return a flag's last alarm."""
    found = (await record(server, "flag", identity))[2]
    return redis_rows.alarm(found[-1]) if found else None


async def attestation(server: Server, identity: str) -> tuple[Flag, Attested]:
    """Return one attestation with its flag; NotFound U-FLAG-UNKNOWN."""
    found = await server.run(LOOK, shard_of_id(identity), "word", identity)
    if found is not None:
        for raw in (await record(server, "flag", found.decode()))[3]:
            one = redis_rows.attestation(raw)
            if one.id == identity:
                return (await flag(server, one.flag)).flag, one
    raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this id; search by patient")


async def registered(server: Server, kind: Kind, ehr: str | None, subject: str | None) -> Sequence[Registered]:
    """Return the last entry of each register of a kind, by tenant and subject; in one round trip where it can be."""
    name = "" if ehr is None or subject is None else server.sealing.find(person(ehr, subject))
    question = ("registered", kind, name)
    if kind in OF_PATIENTS and subject is None:
        answers = [item for one in await server.each(LOOK, *question) for item in one]
    else:
        answers = await server.run(LOOK, shard_of_register(kind, subject or ""), *question)
    opened = await server.opened(lambda: [server.sealing.register(one) for one in answers])
    found = [redis_rows.registered(one) for one in opened]
    mine = [one for one in found if ehr in (None, one.ehr) and subject in (None, one.subject)]
    return sorted(mine, key=lambda one: (one.ehr, one.subject))


async def entries(server: Server, register: str) -> Sequence[AuditEntry]:
    """Return a register's chain, oldest first; NotFound U-REGISTER-UNKNOWN."""
    found = (await record(server, "register", register))[1]
    if not found:
        raise NotFound("U-REGISTER-UNKNOWN", "nothing is on record under this id; list the registers")
    return [redis_rows.entry(raw) for raw in found]


async def heads(server: Server) -> Sequence[tuple[str, int, str]]:
    """Return id, number and hash of the last entry of every chain but those of checkpoints, by id; each as it is when
    it is read."""
    owners = [name.partition("}:")[2] for name in await server.keys()]
    found: list[tuple[str, int, str]] = []
    for shard, some in batches((shard_of_id(name[2:]), name) for name in owners if name[:2] in ("d:", "f:", "r:")):
        for name, (seq, head, kind) in zip(some, await server.run(LOOK, shard, "heads", *some), strict=True):
            if head and kind != b"checkpoint":
                found.append((name[2:], int(seq), head.decode()))
    return sorted(found)


async def _of_patient(server: Server, patient: str) -> Sequence[str]:
    found = await server.run(LOOK, shard_of(patient), "of", server.sealing.find(person(patient)))
    return [raw.decode() for raw in found[::2]]


async def _newest(server: Server, ehr: str | None, states: Sequence[State], limit: int) -> Sequence[str]:
    """Return the ids of the newest drafts, and of those as new as the last of them."""
    found = await server.each(LOOK, "find", " ".join(states), ehr or "", str(max(limit, 1)))
    scored = sorted(((int(s), i.decode()) for one in found for i, s in zip(one[::2], one[1::2], strict=True)))[::-1]
    last = scored[limit - 1][0] if 0 < limit <= len(scored) else 0
    return [identity for score, identity in scored if score >= last]


async def _read(steps: Steps, ids: Sequence[str]) -> Sequence[Draft]:
    drafts: list[Draft] = []
    for shard, some in batches((shard_of_id(identity), identity) for identity in ids):
        drafts += [held.draft for held in (await steps.load(Scope(shard, tuple(some)))).drafts.values()]
    return drafts
