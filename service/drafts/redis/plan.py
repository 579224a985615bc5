"""What a step on the Redis store writes, as ``lua/commit.lua`` takes it.

A plan is one MessagePack map. ``token`` is its own, by which it is known when it comes twice; ``at`` the time of the
snapshot and ``window`` how old that may be; ``worker`` who writes. What it rests on: ``patient`` with its ``tick``
(which new drafts, and entries of the flag and the consent, move on by ``stride``: a chance number, so that after a
failover that forgot some it does not come to the same again), ``unchanged`` drafts with their heads. What it writes:
``drafts``, ``cards``, the ``flag`` and a ``register``, each with the end of its chain as it was (``seq``, ``head``; a
draft's ``state`` and ``version`` too) and what it is to be (``set``). Every scalar is text: Lua's numbers are floats.
"""

import struct
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from service.drafts.audit import GENESIS
from service.drafts.canonical_json import read_instant
from service.drafts.commit.transaction import Held, HeldFlag, HeldRegister, Outbox
from service.drafts.flags import Alarm, Attested
from service.drafts.records import Signature
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.keys import microseconds, person

Plan = dict[str, Any]


def packed(value: object) -> bytes:
    """Return a plan (dicts, lists, texts, bytes, true, false, None) as MessagePack of the kind that Redis's Lua reads.

    Bytes are written as texts are: ``cmsgpack`` of Redis 7.0 does not know the later bin.
    """
    return msgspec.msgpack.encode(_readable(value))


def _readable(value: object) -> object:
    if isinstance(value, bytes):
        return msgspec.Raw(struct.pack(">BI", 0xDB, len(value)) + value)
    if isinstance(value, dict):
        return {name: _readable(part) for name, part in cast(dict[str, object], value).items()}
    if isinstance(value, list):
        return [_readable(part) for part in cast(list[object], value)]
    return value


@dataclass(slots=True)
class Changes:
    """What one step writes of one draft; ``events`` are those of ``entries``."""

    before: Held | None
    after: Held
    events: list[str] = field(default_factory=list[str])
    entries: list[bytes] = field(default_factory=list[bytes])
    revisions: dict[str, bytes] = field(default_factory=dict[str, bytes])
    comments: dict[str, str] = field(default_factory=dict[str, str])
    prepared: dict[str, bytes] = field(default_factory=dict[str, bytes])
    shown: dict[str, bool] = field(default_factory=dict[str, bool])
    drop: bool = False
    signature: Signature | None = None
    outbox: Outbox | None = None

    def plan(self) -> Plan:
        """Return the changes as the script takes them."""
        draft, before = self.after.draft, self.before
        outbox = self.outbox
        return {
            "id": draft.id,
            "ehr": draft.ehr,
            "patient": person(draft.ehr, draft.patient),
            "person": person(draft.patient),
            "facts": draft.facts,
            "created": str(microseconds(draft.created)),
            "expires": str(microseconds(draft.expires)),
            "state": before.draft.state if before else "",
            "version": str(before.draft.version if before else draft.version),
            "seq": str(before.seq if before else 0),
            "head": before.head if before else GENESIS,
            "set": redis_rows.of_moved(self.after) if before else redis_rows.of_draft(self.after),
            "events": self.events,
            "entries": self.entries,
            "revisions": self.revisions,
            "comments": self.comments,
            "prepared": self.prepared or None,
            "shown": self.shown,
            "drop": self.drop,
            "signature": redis_rows.of_signature(self.signature) if self.signature else None,
            "outbox": {**redis_rows.of_outbox(outbox), "score": _score(outbox.due)} if outbox else None,
        }


@dataclass(slots=True)
class FlagChanges:
    """What one step writes of the patient's flag."""

    after: HeldFlag | None = None
    entries: list[bytes] = field(default_factory=list[bytes])
    alarms: list[Alarm] = field(default_factory=list[Alarm])
    attested: list[Attested] = field(default_factory=list[Attested])

    def plan(self, before: HeldFlag | None) -> Plan | None:
        """Return the changes as the script takes them; None where there are none."""
        after = self.after
        if after is None:
            return None
        return {
            "id": after.flag.id,
            "patient": person(after.flag.ehr, after.flag.patient),
            "seq": str(before.seq if before else 0),
            "head": before.head if before else GENESIS,
            "set": redis_rows.of_flag(after),
            "entries": self.entries,
            "alarms": [redis_rows.of_alarm(one) for one in self.alarms],
            "attestations": [redis_rows.of_attestation(one) for one in self.attested],
            "words": {one.id: one.flag for one in self.attested},
        }


@dataclass(slots=True)
class RegisterChanges:
    """What one step writes of a register."""

    after: HeldRegister | None = None
    entries: list[bytes] = field(default_factory=list[bytes])

    def plan(self, before: HeldRegister | None) -> Plan | None:
        """Return the changes as the script takes them; None where there are none."""
        after = self.after
        if after is None:
            return None
        register = after.register
        return {
            "id": register.id,
            "kind": register.kind,
            "name": person(register.ehr, register.subject),
            "seq": str(before.seq if before else 0),
            "head": before.head if before else GENESIS,
            "set": redis_rows.of_register(after),
            "entries": self.entries,
        }


def _score(due: str | None) -> str:
    return str(microseconds(read_instant(due))) if due else ""
