"""Signed checkpoints over the last entries of all chains: what a chain cannot say of itself.

A chain shows that nothing inside it was changed; that a whole draft is gone with all its rows, or that a store was put
back to yesterday, shows only from outside. A checkpoint names each chain that moved since the one before with its last
entry, and is signed with the service's key over canonical bytes that name the checkpoint before it. The checkpoints are
a register of the store, and lines of a file that is kept elsewhere: the file finds a store that went back as a whole.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from fhir_adapters.errors import UndersignError
from service.drafts.audit import GENESIS, SERVICE_ACTOR, entry_hash
from service.drafts.canonical_json import dumps, instant, read_instant
from service.drafts.records import AuditEntry
from service.drafts.registers import Kind
from service.drafts.signature.signing import Signer, verify_detached
from service.drafts.store import Store
from service.drafts.trail import forgetting
from service.errors import ConfigError, Conflict, NotFound

KIND: Final[Kind] = "checkpoint"
SUBJECT: Final = "all"
EVENT: Final = "checkpoint"
# About 110 bytes a chain: an entry stays well below a megabyte, however many chains have moved.
MOST_CHAINS: Final = 2_000

# What checkpoints saw of each chain: hashes by number, by id. One number of one chain has one hash for ever.
Seen = dict[str, dict[int, set[str]]]


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made: how many entries, over how many chains.

    ``lost`` are the chains that an earlier checkpoint had seen and that are gone, shorter or another now.
    """

    entries: int
    chains: int
    lost: tuple[str, ...]


class _Line(msgspec.Struct, frozen=True):
    register: str
    seq: int
    at: str
    event: str
    actor: str
    detail: dict[str, Any]
    previous: str
    hash: str


async def entries(store: Store) -> Sequence[AuditEntry]:
    """Return all checkpoints of the store, oldest first."""
    found = await store.registered(KIND, ehr="", subject=SUBJECT)
    return await store.entries(found[0].id) if found else ()


async def make(store: Store, signer: Signer) -> Made:
    """Enter checkpoints over what moved since the last; none where nothing did or another worker was first."""
    before = await entries(store)
    known, heads = seen(before), await store.heads()
    news = {ident: (seq, last) for ident, seq, last in heads if last not in known.get(ident, {}).get(seq, ())}
    # A chain that is not what it was is never signed as it is now: the earlier word has to go on speaking against it.
    gone = known.keys() - {ident for ident, _, _ in heads} - (await forgetting.forgotten(store, None)).keys()
    lost = tuple(
        sorted(gone | {ident for ident in news.keys() & known.keys() if await _wrong(store, ident, known[ident])})
    )
    moved = [[ident, seq, last] for ident, (seq, last) in news.items() if ident not in lost]
    number, follows = (before[-1].seq, before[-1].hash) if before else (0, GENESIS)
    made = 0
    for first in range(0, len(moved), MOST_CHAINS):
        said = {"chains": len(heads), "changed": moved[first : first + MOST_CHAINS]}
        jws = signer.sign_detached(payload(number + 1, follows, said))
        try:
            entered = await store.enter(KIND, "", SUBJECT, EVENT, SERVICE_ACTOR, {**said, "jws": jws}, after=number)
        except Conflict:
            break
        number, follows, made = entered.entry.seq, entered.entry.hash, made + 1
    return Made(made, len(heads), lost)


def payload(seq: int, follows: str, said: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed: what a checkpoint says, its number and the hash of the one before."""
    return dumps({"changed": said["changed"], "chains": said["chains"], "follows": follows, "seq": seq})


def seen(checkpoints: Iterable[AuditEntry]) -> Seen:
    """Return every entry that these checkpoints saw."""
    found: Seen = {}
    for one in checkpoints:
        for ident, seq, last in cast("list[tuple[str, int, str]]", one.detail["changed"]):
            found.setdefault(ident, {}).setdefault(seq, set()).add(last)
    return found


async def faults(store: Store, jwks: Mapping[str, Any], file: Path | None = None) -> list[str]:
    """Return what the checkpoints of the store and of a file find wrong, as lines ``checkpoint: U-CHECKPOINT-…: …``."""
    inside = await entries(store)
    outside, found = ([], []) if file is None else read(file)
    found += [fault for one in (*inside, *outside) for fault in _signature(one, jwks)]
    numbers = {one.seq: one.hash for one in inside}
    for one in outside:
        if numbers.get(one.seq) != one.hash:
            found.append(f"U-CHECKPOINT-FILE: checkpoint {one.seq} of {instant(one.at)} is not the store's")
    whole = [one for one in (*inside, *outside) if not list(_signature(one, jwks))]
    found += await _chains(store, seen(whole), await forgetting.forgotten(store, jwks))
    return list(dict.fromkeys(f"checkpoint: {fault}" for fault in found))


async def _chains(store: Store, known: Seen, forgotten: forgetting.Ends) -> list[str]:
    now = {ident: (seq, last) for ident, seq, last in await store.heads()}
    found: list[str] = []
    for ident, hashes in sorted(known.items()):
        last = max(hashes)
        if ident not in now and _ended(hashes, *forgotten.get(ident, (0, ""))):
            continue
        if ident not in now:
            found.append(f"U-CHECKPOINT-GONE: the chain {ident} had {last} entries and is gone")
        elif now[ident][0] < last:
            found.append(f"U-CHECKPOINT-BACK: the chain {ident} had {last} entries and has {now[ident][0]}")
        elif hashes == {now[ident][0]: {now[ident][1]}}:
            continue
        elif wrong := await _wrong(store, ident, hashes):
            found.append(f"U-CHECKPOINT-CHANGED: entry {wrong} of the chain {ident} is another than it was")
    return found


def _ended(hashes: Mapping[int, Set[str]], seq: int, last: str) -> bool:
    """Say whether a chain that went had got as far as it was seen, and was then what it was."""
    return seq >= max(hashes) and hashes.get(seq, {last}) == {last}


async def _wrong(store: Store, ident: str, hashes: Mapping[int, Set[str]]) -> int | None:
    """Return the first entry of a chain that is not what checkpoints saw of it, None where all are."""
    chain = await chain_of(store, ident)
    for seq in sorted(hashes):
        if len(chain) < seq or hashes[seq] != {chain[seq - 1].hash}:
            return seq
    return None


async def chain_of(store: Store, ident: str) -> Sequence[AuditEntry]:
    """Return the chain of a draft, a flag or a register; NotFound U-REGISTER-UNKNOWN."""
    for chain in (store.history, store.flag_history):
        with suppress(NotFound):
            if found := await chain(ident):
                return found
    return await store.entries(ident)


def _signature(one: AuditEntry, jwks: Mapping[str, Any]) -> list[str]:
    try:
        verify_detached(str(one.detail["jws"]), payload(one.seq, one.previous, one.detail), jwks, one.at)
    except (UndersignError, LookupError, TypeError, ValueError) as error:
        why = error.message if isinstance(error, UndersignError) else "it is not of the form that is signed"
        return [f"U-CHECKPOINT-SIGNATURE: checkpoint {one.seq}: {why}"]
    return []


def append(file: Path, checkpoints: Sequence[AuditEntry]) -> int:
    """Add the checkpoints that the file lacks, durably; returns how many. ConfigError U-CHECKPOINT-PATH."""
    last = max((one.seq for one in read(file)[0]), default=0) if file.exists() else 0
    new = [one for one in checkpoints if one.seq > last]
    try:
        with file.open("ab") as out:
            # A line that a crash cut short stays as it is; its checkpoint follows again, whole.
            torn = out.tell() and not file.read_bytes().endswith(b"\n")
            out.write(b"".join([b"\n" if torn else b"", *map(_line, new)]))
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise ConfigError("U-CHECKPOINT-PATH", "audit.checkpoint_file cannot be written; check it") from error
    return len(new)


def read(file: Path) -> tuple[list[AuditEntry], list[str]]:
    """Return the checkpoints of a file and what is wrong with its lines; ConfigError U-CHECKPOINT-PATH."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError("U-CHECKPOINT-PATH", "the file of checkpoints cannot be read; check it") from error
    found: dict[int, AuditEntry] = {}
    faults: list[str] = []
    for line in lines:
        one = _read_line(line)
        if one is None:
            continue
        if found.setdefault(one.seq, one).hash != one.hash:
            faults.append(f"U-CHECKPOINT-FILE: the file has two checkpoints {one.seq}")
    gaps = sorted(set(range(1, max(found, default=0) + 1)) - found.keys())
    faults += [f"U-CHECKPOINT-FILE: the file has no whole line of checkpoint {seq}" for seq in gaps]
    return [found[seq] for seq in sorted(found)], faults


def _read_line(line: bytes) -> AuditEntry | None:
    try:
        told = msgspec.json.decode(line, type=_Line)
        one = AuditEntry(
            draft=told.register,
            seq=told.seq,
            at=read_instant(told.at),
            event=told.event,
            actor=told.actor,
            detail=told.detail,
            previous=told.previous,
            hash=told.hash,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None
    return one if entry_hash(one) == one.hash else None


def _line(one: AuditEntry) -> bytes:
    told = {"register": one.draft, "seq": one.seq, "at": instant(one.at), "event": one.event, "actor": one.actor}
    return json.dumps({**told, "detail": one.detail, "previous": one.previous, "hash": one.hash}).encode() + b"\n"
