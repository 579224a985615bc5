"""Verification of all that is in Redis: what it has of each chain against that chain, and every key and index.

Each record, and each index, is read at one moment, so the store may go on working. A key that nothing speaks of, and
an index that does not lead where its records say, are faults too: here no database keeps them true.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import MsgspecError

from fhir_adapters.errors import UndersignError
from service.drafts.flag_verification import FlagRecord, flag_faults
from service.drafts.records import AuditEntry, Signature
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.keys import DATA_KEYS, META, PREFIX, SHARDS, batches, microseconds, shard_of_id
from service.drafts.redis.receipts import Receipt
from service.drafts.redis.scripts import INDEX, RECORD
from service.drafts.redis.server import Server
from service.drafts.register_verification import RegisterRecord, register_faults
from service.drafts.states import SETTLED, UNSIGNED
from service.drafts.transaction import Held, Outbox
from service.drafts.verification import AuditReport, Record, record_faults

# What reading a record raises when somebody has written nonsense into it.
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, UndersignError, MsgspecError)
_OF: Final = {"draft": "dvapgot", "flag": "fblw", "register": "re"}
_KINDS: Final = {letter: kind for kind, letters in _OF.items() for letter in letters}
_INDEXES: Final = ("in", "of", "open", "facts", "patient", "deadline", "due", "orders", "words", "named", "outbox")
_INDEXES_AT_ONCE: Final = 256
_OTHERS: Final = ("ehrs", "ends", "done", "c", "k")


@dataclass(frozen=True, slots=True)
class _Walked:
    """What was found of one draft, flag or register."""

    faults: Sequence[str]
    entries: int = 0
    signature: Signature | None = None
    attestations: int = 0


async def verify(server: Server, jwks: Mapping[str, Any] | None, receipts: Sequence[Receipt]) -> AuditReport:
    """Walk all drafts, flags, registers and receipts; Unavailable U-STORE-* when the server cannot be read."""
    await server.load_data_keys()
    faults, ids, indexes = _sorted(await server.keys())
    drafts = await _records(server, "draft", sorted(ids["draft"]), lambda one, raw: _draft(one, raw, jwks))
    flags = await _records(server, "flag", sorted(ids["flag"]), _flag)
    registers = await _records(server, "register", sorted(ids["register"]), _register)
    for kind, found in (("draft", drafts), ("flag", flags), ("register", registers)):
        for identity, one in found.items():
            faults += [f"{kind} {identity}: {fault}" for fault in one.faults]
    faults += await _index_faults(server, indexes)
    faults += _receipt_faults(drafts, receipts)
    return AuditReport(
        faults=tuple(faults),
        drafts=len(drafts),
        entries=sum(one.entries for one in (*drafts.values(), *flags.values(), *registers.values())),
        signatures=sum(one.signature is not None for one in drafts.values()),
        flags=len(flags),
        attestations=sum(one.attestations for one in flags.values()),
        registers=len(registers),
    )


async def _records(
    server: Server, kind: str, ids: Sequence[str], walk: Callable[[str, Sequence[Any]], _Walked]
) -> dict[str, _Walked]:
    """Walk the records of a kind: the server looks up the next ones while these are held against their chains."""

    def walked(some: Sequence[str], answer: Sequence[Any]) -> dict[str, _Walked]:
        return {one: _one(server, kind, one, raw, walk) for one, raw in zip(some, answer, strict=True)}

    found: dict[str, _Walked] = {}
    asked = [(shard, some) for shard, some in batches((shard_of_id(identity), identity) for identity in ids)]
    coming = _asked(server, kind, asked[0]) if asked else None
    for place, (_, some) in enumerate(asked):
        answer = await coming if coming else ()
        coming = _asked(server, kind, asked[place + 1]) if place + 1 < len(asked) else None
        found |= await asyncio.to_thread(walked, some, answer)
    return found


def _asked(server: Server, kind: str, batch: tuple[int, list[str]]) -> "asyncio.Task[Any]":
    return asyncio.ensure_future(server.run(RECORD, batch[0], kind, *batch[1]))


def _one(
    server: Server, kind: str, identity: str, raw: Sequence[Any], walk: Callable[[str, Sequence[Any]], _Walked]
) -> _Walked:
    try:
        return walk(identity, server.sealing.record(kind, identity, raw))
    except _UNREADABLE:
        return _Walked(["U-AUDIT-RECORD: its records cannot be read"])


def _draft(identity: str, raw: Sequence[Any], jwks: Mapping[str, Any] | None) -> _Walked:
    rows = [redis_rows.fields(raw[place]) for place in (0, 1, 3, 4, 5, 6)]
    row, revisions, prepared, signed, queued, comments = rows
    entries, hashes = redis_rows.chained(raw[2])
    held = redis_rows.draft(identity, row, revisions[redis_rows.text(row, "version")])
    shown = {name: redis_rows.prepared(one) for name, one in prepared.items()}
    signature, outbox = redis_rows.signature(signed), redis_rows.outbox(queued)
    record = Record(
        draft=held.draft,
        seq=held.seq,
        head=held.head,
        revisions={int(name): one for name, one in revisions.items()},
        entries=entries,
        prepared=tuple(shown.values()),
        signature=signature,
        outbox=outbox,
        comments={int(name): one.decode() for name, one in comments.items()},
        cards=_cards(entries, raw[7]),
        hashes=hashes,
    )
    same = (
        _same(row, redis_rows.of_draft(held))
        and all(str(int(name)) == name for name in (*revisions, *comments))
        and all(redis_rows.of_prepared(one) == prepared[name] and one.digest == name for name, one in shown.items())
        and (signature is None or _same(signed, redis_rows.of_signature(signature)))
        and (outbox is None or _same(queued, {**redis_rows.of_outbox(outbox), "entry": queued["entry"]}))
    )
    faults = [*_written(identity, entries, same), *record_faults(record, jwks), *_indexed(held, outbox, queued, raw[8])]
    if signature is not None and raw[8][7] != identity.encode():
        faults.append("U-AUDIT-RECORD: index: its order is not found by its id")
    return _Walked(faults, len(entries), signature)


def _flag(identity: str, raw: Sequence[Any]) -> _Walked:
    row = redis_rows.fields(raw[0])
    held, (entries, hashes) = redis_rows.flag(identity, row), redis_rows.chained(raw[1])
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
    faults = [*_written(identity, entries, same), *flag_faults(record)]
    if raw[5] != identity.encode():
        faults.append("U-AUDIT-RECORD: index: the flag is not found by its patient")
    if raw[6] != [identity.encode()] * len(words):
        faults.append("U-AUDIT-RECORD: index: an attestation is not found by its id")
    return _Walked(faults, len(entries), attestations=len(words))


def _register(identity: str, raw: Sequence[Any]) -> _Walked:
    row, (entries, hashes) = redis_rows.fields(raw[0]), redis_rows.chained(raw[1])
    held = redis_rows.register(identity, row, raw[1][-1])
    same = _same(row, redis_rows.of_register(held))
    record = RegisterRecord(held.register, held.seq, held.head, entries, hashes)
    faults = [*_written(identity, entries, same), *register_faults(record)]
    if raw[2] != identity.encode():
        faults.append("U-AUDIT-RECORD: index: the register is not found by whose it is")
    return _Walked(faults, len(entries))


def _same(row: Mapping[str, bytes], fields: Mapping[str, Any]) -> bool:
    """Say whether a hash is what we would write: nothing more, nothing less, byte for byte."""
    return row == {name: one if isinstance(one, bytes) else one.encode() for name, one in fields.items()}


def _written(identity: str, entries: Sequence[AuditEntry], same: bool) -> Iterator[str]:
    if not same:
        yield "U-AUDIT-RECORD: its records are not as they are written"
    for entry in entries:
        if entry.draft != identity:
            yield f"U-AUDIT-RECORD: entry {entry.seq} is of another chain"


def _cards(entries: Iterable[AuditEntry], raw: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    """Return the claims of the cards that a chain names; one that has not the fields that we write has none."""
    rows = {uuid.decode(): redis_rows.fields(row) for uuid, row in raw}
    found: dict[str, Mapping[str, Any]] = {}
    for uuid in [entry.detail["card"] for entry in entries if entry.event == "shown"]:
        row = rows[uuid]
        if row.keys() == redis_rows.CARD:
            found[uuid] = redis_rows.card(uuid, row) or {}
    return found


def _indexed(held: Held, outbox: Outbox | None, queued: Mapping[str, bytes], found: Sequence[Any]) -> Iterator[str]:
    """Name each index that does not lead to a draft as its record says."""
    draft, unsigned = held.draft, held.draft.state in UNSIGNED
    created, expires = str(microseconds(draft.created)).encode(), str(microseconds(draft.expires)).encode()
    due = outbox.due if outbox else None
    waits = outbox is not None and draft.state not in SETTLED
    entry = [[queued["entry"], [b"draft", draft.id.encode()]]] if waits else []
    wanted = (
        ("EHRs", 1),
        ("state", created),
        ("patient", created),
        ("facts", 1),
        ("open", int(unsigned)),
        ("deadline", expires if unsigned else None),
        ("due", str(microseconds(redis_rows.read_instant(due))).encode() if due else None),
    )
    for (name, value), one in zip(wanted, found, strict=False):
        if one != value:
            yield f"U-AUDIT-RECORD: index: {name} is not as the draft says"
    if found[8] != entry:
        yield "U-AUDIT-RECORD: the stream does not have its write-back as the draft says"


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
        for name, wrong in zip(some, await server.run(INDEX, shard, *some), strict=True):
            kind = name.partition(":")[0]
            faults += [f"store: U-STORE-FILE: {one.decode(errors='replace')} is wrongly in {kind}" for one in wrong]
    return faults


def _receipt_faults(drafts: Mapping[str, _Walked], receipts: Iterable[Receipt]) -> Iterator[str]:
    for receipt in receipts:
        found = drafts.get(receipt.signature.draft)
        if found is None or found.signature != receipt.signature:
            draft = receipt.signature.draft
            yield f"draft {draft}: U-RECEIPT-LOST: its acknowledged signature is not in the store"
