"""What a step on the Redis store writes, as ``lua/commit.lua`` takes it.

A plan is one MessagePack map. ``token`` is its own, by which it is known when it comes twice; ``at`` the time of the
snapshot and ``window`` how old that may be; ``worker`` who writes. What it rests on: ``patient`` with its ``tick``
(counts new drafts and entries of the flag), ``unchanged`` drafts with their heads. What it writes: ``drafts``,
``cards`` and the ``flag``, each with the end of its chain as it was (``seq``, ``head``; a draft's ``state`` and
``version`` too) and what it is to be (``set``). Every scalar is text, since Lua's numbers are floats.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from service.drafts import redis_rows
from service.drafts.audit import GENESIS
from service.drafts.canonical_json import read_instant
from service.drafts.flags import Alarm, Attested
from service.drafts.redis_keys import microseconds, person
from service.drafts.store import Signature
from service.drafts.transaction import Held, HeldFlag, Outbox

Plan = dict[str, Any]


def packed(value: object) -> bytes:
    """Return a plan (maps, lists, texts, bytes, true, false, None) as MessagePack of the kind that Redis's Lua reads.

    Texts and bytes are both of its one old kind, raw: ``cmsgpack`` of Redis 7.0 does not know the later bin.
    """
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        head = struct.pack(">BH", 0xDA, len(raw)) if len(raw) < 1 << 16 else struct.pack(">BI", 0xDB, len(raw))
        return head + raw
    if isinstance(value, Mapping):
        items = cast(Mapping[str, object], value).items()
        return struct.pack(">BI", 0xDF, len(items)) + b"".join(packed(part) for item in items for part in item)
    parts = cast(Sequence[object], value)
    return struct.pack(">BI", 0xDD, len(parts)) + b"".join(map(packed, parts))


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
            "set": redis_rows.of_draft(self.after),
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


def _score(due: str | None) -> str:
    return str(microseconds(read_instant(due))) if due else ""
