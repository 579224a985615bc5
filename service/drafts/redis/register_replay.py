"""Entries of switches and consents that were acknowledged here and that the store has forgotten: entered again.

Where nothing else was entered since, the chain goes on with the very entry that was lost, its time and hash too. Where
the chain has another end, only a denial or a stop is entered again, as a new entry, and only where what stands is older
than it: a permission or a start that was lost is for a person to give again, and what was said later stands. What is
not entered again is named.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

from service.drafts.audit import GENESIS
from service.drafts.commit import register_steps
from service.drafts.commit.transaction import HeldRegister
from service.drafts.records import AuditEntry
from service.drafts.redis import reads as redis_reads
from service.drafts.redis.rows import UNREADABLE, unreadable
from service.drafts.redis.server import Server
from service.drafts.redis.steps import Steps, of_register
from service.drafts.redis.transaction import RedisTransaction
from service.drafts.registers import Kind, Register, Registered

Outcome = Literal["whole", "recorded", "lost"]
# In the detail of an entry that was entered again: the hash of the one that was lost.
REPLAYED: Final = "replayed"
# By kind, what an entry's detail has that decides something: what else is entered only counts, and has no receipt.
DECIDING: Final[Mapping[Kind, str]] = {"switch": "pulled", "consent": "decision"}
# Added to each entry by the step; it names the register, which may be another one now.
_CLAIM: Final = "record"


def decides(kind: Kind, detail: Mapping[str, Any]) -> bool:
    """Say whether an entry decides something, and so is acknowledged with a receipt."""
    return kind in DECIDING and DECIDING[kind] in detail


def said(entries: Sequence[AuditEntry]) -> frozenset[str]:
    """Return the hashes of the entries that a chain has, and of those that it has again."""
    again = (entry.detail.get(REPLAYED) for entry in entries)
    return frozenset({entry.hash for entry in entries} | {one for one in again if isinstance(one, str)})


async def replay(server: Server, steps: Steps, receipts: Sequence[Registered]) -> Sequence[tuple[Registered, Outcome]]:
    """Hold each receipt against the store; returns what became of those that were not whole, oldest first."""
    gone = await missing(server, receipts)
    newest = {(one.kind, one.ehr, one.subject): one.entry.hash for one in gone}
    found: list[tuple[Registered, Outcome]] = []
    for one in gone:
        last = newest[one.kind, one.ehr, one.subject] == one.entry.hash
        found.append((one, await _one(server, steps, one, last=last)))
    return found


async def missing(server: Server, receipts: Sequence[Registered]) -> list[Registered]:
    """Return the receipts whose entry is not in the store, those of a register in the order of their times."""
    wanted: defaultdict[tuple[Kind, str, str], list[Registered]] = defaultdict(list)
    for one in receipts:
        wanted[one.kind, one.ehr, one.subject].append(one)
    found: list[Registered] = []
    for whose, some in wanted.items():
        there = await _said_of(server, *whose)
        found += sorted(
            (one for one in some if one.entry.hash not in there), key=lambda one: (one.entry.at, one.entry.seq)
        )
    return found


async def _said_of(server: Server, kind: Kind, ehr: str, subject: str) -> frozenset[str]:
    try:
        held = await redis_reads.registered(server, kind, ehr, subject)
        return said(await redis_reads.entries(server, held[0].id)) if held else frozenset()
    except UNREADABLE as error:
        if unreadable(error):
            return frozenset()
        raise


async def _one(server: Server, steps: Steps, one: Registered, *, last: bool) -> Outcome:
    scope = of_register(one.kind, one.ehr, one.subject)
    try:
        outcome: Outcome = await steps.take(scope, partial(_again, one=one, last=last))
    except UNREADABLE as error:
        if unreadable(error):  # verification names that too
            return "lost"
        raise
    if outcome == "lost" and not await missing(server, [one]):
        return "whole"  # another worker of this host was faster
    return outcome


def _again(tx: RedisTransaction, *, one: Registered, last: bool) -> Outcome:
    held, lost = tx.register_of(one.kind, one.ehr, one.subject), one.entry
    stands = held.last if held else None
    if held is None and lost.previous == GENESIS:
        held = tx.restore_register(Register(one.id, one.kind, one.ehr, one.subject))
    if held is not None and _follows(held, one):
        tx.advance_register(held, lost)
        register_steps.withdraw(tx, one)
        return "recorded"
    if not last or not register_steps.stops(lost.detail) or (stands is not None and stands.at >= lost.at):
        return "lost"
    detail = {name: value for name, value in lost.detail.items() if name != _CLAIM} | {REPLAYED: lost.hash}
    register_steps.enter(tx, register_steps.Entering(one.kind, one.ehr, one.subject, lost.event, lost.actor, detail))
    return "recorded"


def _follows(held: HeldRegister, one: Registered) -> bool:
    return (held.register.id, held.seq + 1, held.head) == (one.id, one.entry.seq, one.entry.previous)
