"""Verification of all that is in Redis: what it has of each chain against that chain, and every key and index.

Each record, and each index, is read at one moment, so the store may go on working. A key that nothing speaks of, and
an index that does not lead where its records say, are faults too: here no database keeps them true.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from msgspec import MsgspecError

from service.drafts.records import AuditEntry
from service.drafts.redis import draft_walk, register_replay, word_replay
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.draft_walk import Walked, written
from service.drafts.redis.keys import DATA_KEYS, META, PREFIX, SHARDS, batches, shard_of_id
from service.drafts.redis.lost_receipts import lost
from service.drafts.redis.plan import packed
from service.drafts.redis.receipt import Acknowledged
from service.drafts.redis.register_replay import DECIDING
from service.drafts.redis.rows import UNREADABLE
from service.drafts.redis.scripts import AUDIT, INDEX, RECORD
from service.drafts.redis.server import Server
from service.drafts.trail.flag_verification import FlagRecord, flag_faults
from service.drafts.trail.register_verification import RegisterRecord, register_faults
from service.drafts.trail.verification import AuditReport

_OF: Final = {"draft": "dvapgot", "flag": "fblw", "register": "re"}
_KINDS: Final = {letter: kind for kind, letters in _OF.items() for letter in letters}
_INDEXES: Final = ("in", "of", "open", "facts", "patient", "deadline", "due", "orders", "words", "named", "outbox")
# How many questions are under way at once: the server is not waited for, nor asked for more than is walked soon.
AHEAD: Final = 4
# How many records one question is of: each costs this side as much again as a few records, and the server about a
# twelfth of a millisecond a draft, during which it does nothing else.
AT_ONCE: Final = 64
Ask = Callable[[int, Sequence[str]], Coroutine[Any, Any, Sequence[Any]]]
_INDEXES_AT_ONCE: Final = 256
_OTHERS: Final = ("ehrs", "ends", "done", "c", "k")


async def verify(
    server: Server,
    jwks: Mapping[str, Any] | None,
    told: Acknowledged,
) -> AuditReport:
    """Walk all drafts, flags, registers and receipts; Unavailable U-STORE-* when the server cannot be read."""
    await server.load_data_keys()
    faults, ids, indexes = _sorted(await server.keys())

    def walk_draft(identity: str, raw: tuple[Any, Any]) -> Walked:
        return draft_walk.draft(server.sealing, identity, raw[0], raw[1], jwks)

    drafts = await _records(sorted(ids["draft"]), lambda shard, some: _drafts(server, shard, some), walk_draft)
    flags, registers = [
        await _records(
            sorted(ids[kind]),
            lambda shard, some, kind=kind: server.run(RECORD, shard, kind, *some),
            lambda one, raw, kind=kind, walk=walk: walk(one, server.sealing.record(kind, one, raw)),
        )
        for kind, walk in (("flag", _flag), ("register", _register))
    ]
    for kind, found in (("draft", drafts), ("flag", flags), ("register", registers)):
        for identity, one in found.items():
            faults += [f"{kind} {identity}: {fault}" for fault in one.faults]
    faults += await _index_faults(server, indexes)
    faults += lost(told, drafts, flags, registers)
    return AuditReport(
        faults=tuple(faults),
        drafts=len(drafts),
        entries=sum(one.entries for one in (*drafts.values(), *flags.values(), *registers.values())),
        signatures=sum(one.signature is not None for one in drafts.values()),
        flags=len(flags),
        attestations=sum(one.attestations for one in flags.values()),
        registers=len(registers),
    )


async def _records(ids: Sequence[str], ask: Ask, walk: Callable[[str, Any], Walked]) -> dict[str, Walked]:
    """Walk the records of a kind: the server looks up the next ones while these are held against their chains.

    In this thread: a second one would only be waited for, here and at the connection.
    """
    found: dict[str, Walked] = {}
    coming: deque[tuple[Sequence[str], asyncio.Future[Sequence[Any]]]] = deque()
    asked = batches(((shard_of_id(identity), identity) for identity in ids), AT_ONCE)
    try:
        while True:
            for shard, some in islice(asked, AHEAD - len(coming)):
                coming.append((some, asyncio.ensure_future(ask(shard, some))))
            if not coming:
                return found
            await asyncio.sleep(0)
            some, answer = coming.popleft()
            for identity, raw in zip(some, await answer, strict=True):
                found[identity] = _one(identity, raw, walk)
    finally:
        for _, answer in coming:
            answer.cancel()


async def _drafts(server: Server, shard: int, some: Sequence[str]) -> Sequence[Any]:
    """Return the two parts of each draft in the answer of ``audit.lua``; None for one whose texts are no texts."""
    try:
        return list(zip(*await server.run(AUDIT, shard, packed(list(some))), strict=True))
    except (ValueError, MsgspecError):
        return [None] if len(some) == 1 else [one for each in some for one in await _drafts(server, shard, [each])]


def _one(identity: str, raw: Any, walk: Callable[[str, Any], Walked]) -> Walked:
    try:
        return walk(identity, raw)
    except UNREADABLE:
        return Walked(["U-AUDIT-RECORD: its records cannot be read"])


def _flag(identity: str, raw: Sequence[Any]) -> Walked:
    row = redis_rows.fields(raw[0])
    held, (entries, hashes) = redis_rows.flag(identity, row), redis_rows.chained([one.decode() for one in raw[1]])
    alarms, words = [redis_rows.alarm(one) for one in raw[2]], [redis_rows.attestation(one) for one in raw[3]]
    at = {entry.seq: entry.at for entry in entries}
    same = (
        _same(row, redis_rows.of_flag(held))
        and [redis_rows.of_alarm(one) for one in alarms] == raw[2]
        and len({one.seq for one in alarms}) == len(alarms)
        and len({one.seq for one in words}) == len(words)
        and [redis_rows.of_attestation(one) for one in words] == raw[3]
        and all(one.flag == identity and one.raised == at.get(one.seq) for one in alarms)
        and all(one.flag == identity and one.recorded == at.get(one.seq) for one in words)
    )
    record = FlagRecord(held.flag, held.seq, held.head, entries, alarms, words, _cards(entries, raw[4]), hashes)
    faults = [*written(identity, entries, same), *flag_faults(record)]
    if raw[5] != identity.encode():
        faults.append("U-AUDIT-RECORD: index: the flag is not found by its patient")
    if raw[6] != [identity.encode()] * len(words):
        faults.append("U-AUDIT-RECORD: index: an attestation is not found by its id")
    told = frozenset(word_replay.said(held.flag.ehr, held.flag.patient, one) for one in words)
    return Walked(faults, len(entries), attestations=len(words), said=told)


def _register(identity: str, raw: Sequence[Any]) -> Walked:
    row, (entries, hashes) = redis_rows.fields(raw[0]), redis_rows.chained([one.decode() for one in raw[1]])
    held = redis_rows.register(identity, row, raw[1][-1])
    same = _same(row, redis_rows.of_register(held))
    record = RegisterRecord(held.register, held.seq, held.head, entries, hashes)
    faults = [*written(identity, entries, same), *register_faults(record)]
    if raw[2] != identity.encode():
        faults.append("U-AUDIT-RECORD: index: the register is not found by whose it is")
    return Walked(
        faults, len(entries), said=register_replay.said(entries) if held.register.kind in DECIDING else frozenset()
    )


def _same(row: Mapping[str, bytes], fields: Mapping[str, Any]) -> bool:
    """Say whether a hash is what we would write: nothing more, nothing less, byte for byte."""
    return row == {name: one if isinstance(one, bytes) else one.encode() for name, one in fields.items()}


def _cards(entries: Iterable[AuditEntry], raw: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """Return the claims of the cards that a chain names; one that has not the fields that we write has none."""
    rows = {uuid.decode(): redis_rows.fields(row) for uuid, row in raw}
    found: dict[str, Mapping[str, Any]] = {}
    for uuid in [entry.detail["card"] for entry in entries if entry.event == "shown"]:
        row = rows[uuid]
        if row.keys() == redis_rows.CARD:
            found[uuid] = redis_rows.card(uuid, row) or {}
    return found


def _sorted(names: Iterable[str]) -> tuple[list[str], Mapping[str, set[str]], list[tuple[int, str]]]:
    """Return the keys that are not ours, the ids of each kind of record, and the indexes with their shards."""
    strange: list[str] = []
    ids: defaultdict[str, set[str]] = defaultdict(set)
    indexes: list[tuple[int, str]] = []
    for name in sorted(names):
        tag, _, rest = name.removeprefix(f"{PREFIX}:{{s").partition("}:")
        kind, _, identity = rest.partition(":")
        shard = int(tag, SHARDS) if len(tag) == 1 and tag in "0123456789abcdef" else -1
        if kind in _KINDS and shard == shard_of_id(identity):
            ids[_KINDS[kind]].add(identity)
        elif shard >= 0 and kind in _INDEXES:
            indexes.append((shard, rest))
        elif name not in (META, DATA_KEYS) and not (shard >= 0 and kind in _OTHERS):
            strange.append(f"store: U-STORE-FILE: a key that nothing speaks of: {name}")
    return strange, ids, indexes


async def _index_faults(server: Server, indexes: Sequence[tuple[int, str]]) -> list[str]:
    faults: list[str] = []
    for shard, some in batches(indexes, _INDEXES_AT_ONCE):
        for name, wrong in zip(some, await server.run(INDEX, shard, packed(list(some))), strict=True):
            kind = name.partition(":")[0]
            faults += [f"store: U-STORE-FILE: {one.decode(errors='replace')} is wrongly in {kind}" for one in wrong]
    return faults
