"""What stands on one patient beside the drafts: that a person must look into something, and that a person has.

A patient has one Flag at an EHR, with an audit chain of its own: alarms raised when an assessment closed drafting
for a person to look into, the cards that showed them, and what practitioners attest. It never holds a score of risk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, Protocol, get_args

from service.drafts.records import AuditEntry, Shown

FlagEvent = Literal["raised", "shown", "attested"]
Result = Literal["may-open", "stays-closed"]
EVENTS: Final[tuple[FlagEvent, ...]] = get_args(FlagEvent)
RESULTS: Final[tuple[Result, ...]] = get_args(Result)


@dataclass(frozen=True, slots=True)
class Flag:
    """One patient's flag; ``id`` is an opaque UUID, so that no address holds the patient's."""

    id: str
    ehr: str
    patient: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """What closed drafting for a person to look into: ``context`` is JSON for the page, ``facts`` their digest."""

    flag: str
    seq: int
    facts: str
    context: bytes
    raised: datetime


@dataclass(frozen=True, slots=True)
class NewAttestation:
    """A practitioner's word that this patient's suicide risk was assessed in person, to record.

    ``assessed`` is the instant of the assessment; ``result`` what the practitioner decides about drafting;
    ``review_by`` who sees the patient next, in words, and ``review_on`` the day of that by the site's clock.
    """

    ehr: str
    patient: str
    practitioner: str
    display: str | None
    role: str
    assessed: datetime
    result: Result
    review_by: str
    review_on: date


@dataclass(frozen=True, slots=True)
class Attested:
    """A recorded attestation; ``recorded`` is the store's time."""

    id: str
    flag: str
    seq: int
    practitioner: str
    display: str | None
    role: str
    assessed: datetime
    result: Result
    review_by: str
    review_on: date
    recorded: datetime

    @property
    def by(self) -> str:
        """Return who attested, as people call them."""
        return self.display or self.practitioner


class FlagStore(Protocol):
    """What the service asks of a store about flags; each change is one durable commit with its audit entry."""

    async def raise_flag(self, ehr: str, patient: str, facts: str, context: bytes, shown: "Shown") -> Flag:
        """Record that a card shows what a person must look into; on new facts, raise that as an alarm first."""
        ...

    async def flag(self, flag: str) -> Flag:
        """Return a flag; NotFound U-FLAG-UNKNOWN."""
        ...

    async def flag_of(self, ehr: str, patient: str) -> Flag | None:
        """Return a patient's flag, None where nothing was ever raised or attested."""
        ...

    async def alarm(self, flag: str) -> Alarm | None:
        """Return the last alarm of a flag."""
        ...

    async def attest(self, new: NewAttestation, detail: Mapping[str, Any]) -> Attested:
        """Record an attestation; the same word again changes nothing and returns what is recorded.

        ``stays-closed`` withdraws the patient's unsigned drafts in the same commit.
        """
        ...

    async def attestation(self, attestation: str) -> tuple[Flag, Attested]:
        """Return an attestation with its flag; NotFound U-FLAG-UNKNOWN."""
        ...

    async def attestations(self, ehr: str, patient: str) -> Sequence[Attested]:
        """Return all that was attested of a patient, the oldest assessment first."""
        ...

    async def flag_history(self, flag: str) -> Sequence["AuditEntry"]:
        """Return a flag's audit chain, oldest first; an entry's ``draft`` is the flag's id."""
        ...
