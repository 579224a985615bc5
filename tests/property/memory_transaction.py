"""A transaction over facts in memory: what the real steps run on where every order of them is explored.

It keeps nothing from happening that a store's own constraints would refuse (a second signature, a state without one),
so that it is the steps and their checks alone that keep the invariants.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NoReturn

from service.drafts import states
from service.drafts.audit import GENESIS, chain_faults, entry_hash
from service.drafts.canonical_json import read_instant
from service.drafts.commit.transaction import Held, HeldFlag, HeldRegister, Outbox
from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry, Draft, Prepared, Signature
from service.drafts.registers import Kind, Register
from service.errors import Conflict, NotFound


@dataclass(frozen=True)
class Kept:
    """What a store has after a commit."""

    drafts: Mapping[str, Held] = field(default_factory=dict[str, Held])
    prepared: frozenset[Prepared] = frozenset()
    signatures: tuple[Signature, ...] = ()
    outboxes: Mapping[str, Outbox] = field(default_factory=dict[str, Outbox])
    consent: HeldRegister | None = None

    def signatures_of(self, draft: str) -> list[Signature]:
        """Return a draft's signatures: more than one is a breach that this store does not prevent."""
        return [one for one in self.signatures if one.draft == draft]


class MemoryTransaction:
    """Implements ``Transaction`` on a copy of what is kept; ``entries`` are what the step wrote to chains."""

    def __init__(self, kept: Kept, now: datetime) -> None:
        self._now = now
        self._drafts, self._outboxes = dict(kept.drafts), dict(kept.outboxes)
        self._prepared, self._signatures, self._consent = set(kept.prepared), list(kept.signatures), kept.consent
        self.entries: list[AuditEntry] = []

    def kept(self) -> Kept:
        """Commit."""
        return Kept(self._drafts, frozenset(self._prepared), tuple(self._signatures), self._outboxes, self._consent)

    @property
    def now(self) -> datetime:
        return self._now

    def new_id(self, patient: str) -> str:
        return f"draft-{len(self._drafts) + 1}"

    def draft(self, draft: str) -> Held:
        if draft not in self._drafts:
            raise NotFound("U-DRAFT-UNKNOWN", "no such draft")
        return self._drafts[draft]

    def open_of(self, ehr: str, patient: str) -> Sequence[Held]:
        return [held for held in self._of(ehr, patient) if held.draft.state in states.UNSIGNED]

    def unconfirmed_of(self, ehr: str, patient: str) -> Sequence[Held]:
        return [held for held in self._of(ehr, patient) if held.draft.state in states.UNCONFIRMED]

    def of_facts(self, ehr: str, patient: str, facts: str) -> Sequence[Held]:
        return [held for held in self._of(ehr, patient) if held.draft.facts == facts]

    def overdue(self) -> Sequence[Held]:
        found = self._drafts.values()
        return [held for held in found if held.draft.state in states.UNSIGNED and held.draft.expires <= self._now]

    def add(self, draft: Draft) -> Held:
        self._drafts[draft.id] = Held(draft, 0, GENESIS)
        return self._drafts[draft.id]

    def add_revision(self, draft: str, version: int, resource: bytes) -> None:
        held = self._drafts[draft]
        self._drafts[draft] = replace(held, draft=replace(held.draft, resource=resource))

    def advance(self, held: Held, after: Draft, entry: AuditEntry, comment: str | None) -> Held:
        known = self._drafts[after.id]
        if (known.seq, known.head, known.draft.state) != (held.seq, held.head, held.draft.state):
            raise Conflict("U-DRAFT-STATE", "this draft has moved on")
        _check_link(held.seq, held.head, entry)
        assert states.after(entry.event, held.draft.state if held.seq else None) == after.state
        moved = Held(replace(after, resource=known.draft.resource), entry.seq, entry.hash)
        self._drafts[after.id] = moved
        self.entries.append(entry)
        return moved

    def prepared_for(self, draft: str, digest: str, practitioner: str) -> Prepared | None:
        wanted = (draft, digest, practitioner)
        found = (one for one in self._prepared if (one.draft, one.digest, one.practitioner) == wanted)
        return next(found, None)

    def add_prepared(self, shown: Prepared) -> None:
        self._prepared.add(shown)

    def drop_prepared(self, draft: str) -> None:
        self._prepared = {one for one in self._prepared if one.draft != draft}

    def signature(self, draft: str) -> Signature | None:
        return next((one for one in self._signatures if one.draft == draft), None)

    def add_signature(self, found: Signature) -> None:
        self._signatures.append(found)

    def next_due(self, without: Collection[str] = ()) -> str | None:
        due = [
            (row.due, draft)
            for draft, row in self._outboxes.items()
            if row.due and read_instant(row.due) <= self._now and self._drafts[draft].draft.ehr not in without
        ]
        return min(due)[1] if due else None

    def outbox(self, draft: str) -> Outbox | None:
        return self._outboxes.get(draft)

    def put_outbox(self, draft: str, row: Outbox) -> None:
        self._outboxes[draft] = row

    def register_of(self, kind: Kind, ehr: str, subject: str) -> HeldRegister | None:
        return self._consent

    def add_register(self, kind: Kind, ehr: str, subject: str) -> HeldRegister:
        self._consent = HeldRegister(Register("consent-1", kind, ehr, subject), 0, GENESIS, None)
        return self._consent

    def advance_register(self, held: HeldRegister, entry: AuditEntry) -> HeldRegister:
        _check_link(held.seq, held.head, entry)
        self._consent = replace(held, seq=entry.seq, head=entry.hash, last=entry)
        self.entries.append(entry)
        return self._consent

    # Cards and flags are no part of what is explored.

    def flag_of(self, ehr: str, patient: str) -> HeldFlag | None:
        return None

    def card(self, uuid: str) -> Mapping[str, Any] | None:
        _beyond()

    def add_card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        _beyond()

    def add_flag(self, flag: Flag) -> HeldFlag:
        _beyond()

    def advance_flag(self, held: HeldFlag, entry: AuditEntry) -> HeldFlag:
        _beyond()

    def alarm(self, flag: str) -> Alarm | None:
        _beyond()

    def add_alarm(self, alarm: Alarm) -> None:
        _beyond()

    def attestations(self, flag: str) -> Sequence[Attested]:
        _beyond()

    def add_attestation(self, made: Attested) -> None:
        _beyond()

    def _of(self, ehr: str, patient: str) -> list[Held]:
        return [held for held in self._drafts.values() if (held.draft.ehr, held.draft.patient) == (ehr, patient)]


def _check_link(seq: int, head: str, entry: AuditEntry) -> None:
    """Hold an entry against the end of its chain (I6)."""
    first = [] if seq else chain_faults([entry])
    assert first == []
    assert (entry.seq, entry.previous, entry.hash) == (seq + 1, head, entry_hash(entry))


def _beyond() -> NoReturn:
    raise AssertionError("no part of what is explored")
