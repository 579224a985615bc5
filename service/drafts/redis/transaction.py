"""One transaction of the Redis store: a snapshot that the steps decide on, and the plan of what they decided.

The snapshot is read by one script (``lua/load.lua``), the plan is compared with what is there then and written by
another (``lua/commit.lua``). A plan that comes too late is dropped and the step taken again on a new snapshot.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from service.drafts import claims
from service.drafts.audit import GENESIS
from service.drafts.canonical_json import read_instant
from service.drafts.commit.transaction import Held, HeldFlag, HeldRegister, Outbox
from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry, Draft, Prepared, Signature
from service.drafts.redis import rows as redis_rows
from service.drafts.redis.keys import microseconds, new_id, new_id_in, shard_of_register
from service.drafts.redis.plan import Changes, FlagChanges, Plan, RegisterChanges
from service.drafts.redis.snapshot import Snapshot
from service.drafts.registers import Kind, Register
from service.drafts.states import UNCONFIRMED, UNSIGNED
from service.errors import NotFound


class RedisTransaction:
    """Implements ``Transaction`` on a snapshot; ``plan`` is what is to be written, None where nothing is."""

    def __init__(self, found: Snapshot, due: str | None = None) -> None:
        self._found = found
        self._due = due
        self._drafts = dict(found.drafts)
        self._changes: dict[str, Changes] = {}
        self._cards: dict[str, tuple[str, Sequence[str], Mapping[str, Any]]] = {}
        self._flag = found.flag
        self._flag_changes = FlagChanges()
        self._register = found.register
        self._register_changes = RegisterChanges()

    @property
    def now(self) -> datetime:
        """Return the store's time when the snapshot was taken."""
        return self._found.now

    def new_id(self, patient: str) -> str:
        """Return a new UUID of the patient's shard."""
        return new_id(patient)

    def draft(self, draft: str) -> Held:
        """Return a draft; NotFound U-DRAFT-UNKNOWN."""
        if draft not in self._drafts:
            raise NotFound("U-DRAFT-UNKNOWN", "no draft has this id")
        return self._drafts[draft]

    def open_of(self, ehr: str, patient: str) -> Sequence[Held]:
        """Return a patient's unsigned drafts."""
        return [held for held in self._of(ehr, patient) if held.draft.state in UNSIGNED]

    def unconfirmed_of(self, ehr: str, patient: str) -> Sequence[Held]:
        """Return a patient's drafts that are signed or accepted, and not confirmed in the EHR."""
        return [held for held in self._of(ehr, patient) if held.draft.state in UNCONFIRMED]

    def of_facts(self, ehr: str, patient: str, facts: str) -> Sequence[Held]:
        """Return all drafts of these facts, by rank."""
        same = [held for held in self._of(ehr, patient) if held.draft.facts == facts]
        return sorted(same, key=lambda held: held.draft.rank)

    def overdue(self) -> Sequence[Held]:
        """Return the unsigned drafts past their time, of those that were read."""
        return [h for h in self._drafts.values() if h.draft.state in UNSIGNED and h.draft.expires <= self.now]

    def add(self, draft: Draft) -> Held:
        """Write a new draft and its first version."""
        held = self._drafts[draft.id] = Held(draft, 0, GENESIS)
        self._changes[draft.id] = Changes(None, held, revisions={str(draft.version): draft.resource})
        return held

    def add_revision(self, draft: str, version: int, resource: bytes) -> None:
        """Write a later version of a draft's resource, which is the present one from its entry on."""
        self._change(draft).revisions[str(version)] = resource

    def advance(self, held: Held, after: Draft, entry: AuditEntry, comment: str | None) -> Held:
        """Add an entry, its comment and the draft as it is after it."""
        change = self._change(after.id)
        resource = change.revisions.get(str(after.version), after.resource)
        moved = Held(replace(after, resource=resource), entry.seq, entry.hash)
        change.after = self._drafts[after.id] = moved
        change.events.append(entry.event)
        change.entries.append(redis_rows.of_entry(entry))
        if comment is not None:
            change.comments[str(entry.seq)] = comment
        return moved

    def prepared_for(self, draft: str, digest: str, practitioner: str) -> Prepared | None:
        """Return what this practitioner was shown under this digest."""
        change = self._changes.get(draft)
        if change is not None and digest in change.prepared:
            shown = redis_rows.prepared(change.prepared[digest])
        else:
            shown = None if change is not None and change.drop else self._found.prepared.get(draft, {}).get(digest)
        return shown if shown is not None and shown.practitioner == practitioner else None

    def add_prepared(self, shown: Prepared) -> None:
        """Keep the bytes that a practitioner is shown."""
        change = self._change(shown.draft)
        change.prepared[shown.digest] = redis_rows.of_prepared(shown)
        change.shown[shown.digest] = True

    def drop_prepared(self, draft: str) -> None:
        """Forget all bytes shown of a draft."""
        change = self._change(draft)
        change.drop, change.prepared = True, {}

    def signature(self, draft: str) -> Signature | None:
        """Return a draft's signature."""
        change = self._changes.get(draft)
        return (change.signature if change else None) or self._found.signatures.get(draft)

    def add_signature(self, found: Signature) -> None:
        """Write a draft's one signature."""
        self._change(found.draft).signature = found

    def next_due(self, without: Collection[str] = ()) -> str | None:
        """Return the draft that this transaction was opened for, while its write-back is still due.

        It was chosen among the tenants that are not in ``without``, and a draft's tenant never changes.
        """
        row = self.outbox(self._due) if self._due else None
        return self._due if row and row.due and read_instant(row.due) <= self.now else None

    def outbox(self, draft: str) -> Outbox | None:
        """Return a draft's write-back."""
        change = self._changes.get(draft)
        return (change.outbox if change else None) or self._found.outboxes.get(draft)

    def put_outbox(self, draft: str, row: Outbox) -> None:
        """Write a draft's write-back."""
        self._change(draft).outbox = row

    def card(self, uuid: str) -> Mapping[str, Any] | None:
        """Return a card's claims."""
        added = self._cards.get(uuid)
        return claims.of_card(uuid, *added) if added else self._found.cards.get(uuid)

    def add_card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Write a card."""
        self._cards[uuid] = (ehr, drafts, detail)

    def flag_of(self, ehr: str, patient: str) -> HeldFlag | None:
        """Return a patient's flag."""
        return self._flag

    def add_flag(self, flag: Flag) -> HeldFlag:
        """Write a new flag, without an entry yet."""
        self._flag = HeldFlag(flag, 0, GENESIS)
        return self._flag

    def advance_flag(self, held: HeldFlag, entry: AuditEntry) -> HeldFlag:
        """Add the next entry of the flag's chain."""
        self._flag_changes.entries.append(redis_rows.of_entry(entry))
        self._flag = self._flag_changes.after = HeldFlag(held.flag, entry.seq, entry.hash)
        return self._flag

    def alarm(self, flag: str) -> Alarm | None:
        """Return the flag's last alarm."""
        return self._flag_changes.alarms[-1] if self._flag_changes.alarms else self._found.alarm

    def add_alarm(self, alarm: Alarm) -> None:
        """Write an alarm."""
        self._flag_changes.alarms.append(alarm)

    def attestations(self, flag: str) -> Sequence[Attested]:
        """Return the flag's attestations, the oldest assessment first."""
        all_of_them = (*self._found.attestations, *self._flag_changes.attested)
        return sorted(all_of_them, key=lambda one: (one.assessed, one.seq))

    def add_attestation(self, made: Attested) -> None:
        """Write an attestation."""
        self._flag_changes.attested.append(made)

    def register_of(self, kind: Kind, ehr: str, subject: str) -> HeldRegister | None:
        """Return the register that was read: the one that is entered in, or else the patient's consent."""
        held = self._register
        if held is None or (held.register.kind, held.register.ehr, held.register.subject) != (kind, ehr, subject):
            return None
        return held

    def add_register(self, kind: Kind, ehr: str, subject: str) -> HeldRegister:
        """Write a new register, without an entry yet."""
        return self.restore_register(Register(new_id_in(shard_of_register(kind, subject)), kind, ehr, subject))

    def restore_register(self, register: Register) -> HeldRegister:
        """Write a register under the id that it had, without an entry yet."""
        self._register = HeldRegister(register, 0, GENESIS, None)
        return self._register

    def advance_register(self, held: HeldRegister, entry: AuditEntry) -> HeldRegister:
        """Add the next entry of the register's chain."""
        self._register_changes.entries.append(redis_rows.of_entry(entry))
        self._register = self._register_changes.after = HeldRegister(held.register, entry.seq, entry.hash, entry)
        return self._register

    def after(self) -> Snapshot | None:
        """Return the snapshot as it is once the plan is written; None where more was done than to prepare."""
        others = self._cards or self._flag_changes.entries or self._register_changes.entries
        if others or any(one.before is None or one.signature or one.outbox for one in self._changes.values()):
            return None
        prepared = dict(self._found.prepared)
        for draft, one in self._changes.items():
            added = {digest: redis_rows.prepared(shown) for digest, shown in one.prepared.items()}
            prepared[draft] = added if one.drop else {**prepared.get(draft, {}), **added}
        return replace(self._found, drafts=dict(self._drafts), prepared=prepared)

    def plan(self) -> Plan | None:
        """Return what the step wrote and what it rests on, as ``commit.lua`` takes it; None where it wrote nothing."""
        if not (self._changes or self._cards or self._flag_changes.entries or self._register_changes.entries):
            return None
        found = self._found
        return {
            "at": str(microseconds(found.now)),
            "patient": found.patient or None,
            "tick": found.tick,
            "unchanged": [[name, held.head] for name, held in found.drafts.items() if name not in self._changes],
            "drafts": [change.plan() for change in self._changes.values()],
            "cards": [{"uuid": uuid, "set": redis_rows.of_card(*card)} for uuid, card in self._cards.items()],
            "flag": self._flag_changes.plan(found.flag),
            "register": self._register_changes.plan(found.register),
        }

    def _of(self, ehr: str, patient: str) -> Sequence[Held]:
        return [held for held in self._drafts.values() if (held.draft.ehr, held.draft.patient) == (ehr, patient)]

    def _change(self, draft: str) -> Changes:
        if draft not in self._changes:
            held = self.draft(draft)
            self._changes[draft] = Changes(held, held)
        return self._changes[draft]
