"""What a step on drafts, flags and registers asks of one transaction of a store, whichever store that is.

The steps (``steps``, ``outbox_steps``, ``flag_steps``, ``register_steps``) decide; a transaction reads what they
decide on and writes all of what they decided, or nothing of it where anything that was read has changed meanwhile.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.drafts.flags import Alarm, Attested, Flag
from service.drafts.records import AuditEntry, Draft, Prepared, Signature
from service.drafts.registers import Kind, Register


@dataclass(frozen=True, slots=True)
class Held:
    """A draft with the end of its audit chain: the number and hash of the last entry."""

    draft: Draft
    seq: int
    head: str


@dataclass(frozen=True, slots=True)
class HeldFlag:
    """A flag with the end of its chain."""

    flag: Flag
    seq: int
    head: str


@dataclass(frozen=True, slots=True)
class HeldRegister:
    """A register with its last entry, None before its first, and the number and hash of that."""

    register: Register
    seq: int
    head: str
    last: AuditEntry | None


@dataclass(frozen=True, slots=True)
class Outbox:
    """The queue row of a write-back; ``due`` None once it is ended, ``lease`` the fencing token of its claim."""

    due: str | None
    attempts: int
    lease: str | None
    progress: Mapping[str, str]


class Transaction(Protocol):
    """One atomic step; ``now`` is the store's time in it. What is added is read back within the same step."""

    @property
    def now(self) -> datetime:
        """Return the store's time."""
        ...

    def new_id(self, patient: str) -> str:
        """Return a new UUID for a record of this patient."""
        ...

    def draft(self, draft: str) -> Held:
        """Return a draft; NotFound U-DRAFT-UNKNOWN."""
        ...

    def open_of(self, ehr: str, patient: str) -> Sequence[Held]:
        """Return a patient's unsigned drafts."""
        ...

    def unconfirmed_of(self, ehr: str, patient: str) -> Sequence[Held]:
        """Return a patient's drafts that are signed or accepted, and not confirmed in the EHR."""
        ...

    def of_facts(self, ehr: str, patient: str, facts: str) -> Sequence[Held]:
        """Return all drafts of these facts, by rank."""
        ...

    def overdue(self) -> Sequence[Held]:
        """Return some unsigned drafts whose time is over, none only where there are none."""
        ...

    def add(self, draft: Draft) -> Held:
        """Write a new draft and its first version, without an entry yet."""
        ...

    def add_revision(self, draft: str, version: int, resource: bytes) -> None:
        """Write a later version of a draft's resource."""
        ...

    def advance(self, held: Held, after: Draft, entry: AuditEntry, comment: str | None) -> Held:
        """Write an entry, its comment and the draft as it is after it; Conflict U-DRAFT-STATE where it has moved."""
        ...

    def prepared_for(self, draft: str, digest: str, practitioner: str) -> Prepared | None:
        """Return what this practitioner was shown under this digest."""
        ...

    def add_prepared(self, shown: Prepared) -> None:
        """Keep the bytes that a practitioner is shown."""
        ...

    def drop_prepared(self, draft: str) -> None:
        """Forget all bytes shown of a draft."""
        ...

    def signature(self, draft: str) -> Signature | None:
        """Return a draft's signature."""
        ...

    def add_signature(self, found: Signature) -> None:
        """Write a draft's one signature."""
        ...

    def next_due(self, without: Collection[str] = ()) -> str | None:
        """Return the draft whose write-back has been due the longest, of the tenants that are not in ``without``."""
        ...

    def outbox(self, draft: str) -> Outbox | None:
        """Return a draft's write-back."""
        ...

    def put_outbox(self, draft: str, row: Outbox) -> None:
        """Write a draft's write-back."""
        ...

    def card(self, uuid: str) -> Mapping[str, Any] | None:
        """Return a card's claims (``claims.of_card``)."""
        ...

    def add_card(self, uuid: str, ehr: str, drafts: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Write a card."""
        ...

    def flag_of(self, ehr: str, patient: str) -> HeldFlag | None:
        """Return a patient's flag."""
        ...

    def add_flag(self, flag: Flag) -> HeldFlag:
        """Write a new flag, without an entry yet."""
        ...

    def advance_flag(self, held: HeldFlag, entry: AuditEntry) -> HeldFlag:
        """Write the next entry of a flag's chain; Conflict U-DRAFT-STATE where it has moved."""
        ...

    def alarm(self, flag: str) -> Alarm | None:
        """Return a flag's last alarm."""
        ...

    def add_alarm(self, alarm: Alarm) -> None:
        """Write an alarm."""
        ...

    def attestations(self, flag: str) -> Sequence[Attested]:
        """Return a flag's attestations, the oldest assessment first."""
        ...

    def add_attestation(self, made: Attested) -> None:
        """Write an attestation."""
        ...

    def register_of(self, kind: Kind, ehr: str, subject: str) -> HeldRegister | None:
        """Return a register."""
        ...

    def add_register(self, kind: Kind, ehr: str, subject: str) -> HeldRegister:
        """Write a new register, without an entry yet."""
        ...

    def advance_register(self, held: HeldRegister, entry: AuditEntry) -> HeldRegister:
        """Write the next entry of a register; Conflict U-DRAFT-STATE where it has moved."""
        ...
