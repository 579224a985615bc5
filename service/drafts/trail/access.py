"""Who looked at what of a patient: an entry for each access by a person, durable before anything is answered.

The entries of a patient at a tenant in one year are a register of the kind ``access``, chained, sealed and in the
checkpoints as every other. They hold references, codes and digests: no token and nothing of what was read. An entry
that cannot be made is an answer that is not given: the store's own error (U-STORE-*) goes to the caller instead.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from service.drafts import claims
from service.drafts.records import AuditEntry
from service.drafts.registers import Kind, Register, Registered
from service.drafts.store import Store

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.smart.practitioner import Practitioner

KIND: Final[Kind] = "access"
# FHIR's restful-interaction codes; a page of ours counts as a read, a list of patients as a search.
Interaction = Literal["read", "vread", "history-instance", "search-type", "operation"]
READ, SEARCHED, REFUSED = "read", "searched", "refused"
EVENTS: Final = (READ, SEARCHED, REFUSED)


class Who(Protocol):
    """A signed-in person: a session of a browser, or a user of the API."""

    @property
    def practitioner(self) -> "Practitioner":
        """Return the practitioner."""
        ...

    @property
    def token(self) -> str:
        """Return the EHR's access token that the person came with."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for.

    ``what`` is a reference, ``MedicationRequest/<id>`` of ours or ``Patient/<id>`` of the EHR, empty for a search,
    whose text is ``query``. ``way`` is ``api`` or ``page``, ``name`` the page or the operation.
    """

    what: str
    interaction: Interaction = "read"
    way: Literal["api", "page"] = "api"
    name: str = ""
    version: int | None = None
    query: str = ""

    @property
    def event(self) -> str:
        """The event of an access that was granted."""
        return SEARCHED if self.interaction == "search-type" else READ


async def enter(services: "Services", who: Who, patient: str, asked: Asked, refused: str = "") -> None:
    """Record that somebody is given what they asked for of a patient, or is refused it with a code.

    Unavailable U-STORE-* where it cannot be recorded: then nothing may be answered.
    """
    subject = subject_of(patient, services.clock())
    detail = _detail(who, asked, subject) | ({"code": refused} if refused else {})
    whose = who.practitioner
    event = REFUSED if refused else asked.event
    await services.store.enter(KIND, whose.ehr, subject, event, whose.reference, detail)


async def enter_each(services: "Services", who: Who, patients: Iterable[str], asked: Asked, refused: str = "") -> None:
    """Record the same of several patients, each in their own chain; the store commits them together where it can."""
    await asyncio.gather(*(enter(services, who, patient, asked, refused) for patient in patients))


async def of_patient(store: Store, ehr: str, patient: str, now: datetime, years: int) -> list[AuditEntry]:
    """Return a patient's accesses of this year and of the ``years`` before it, oldest first."""
    found: list[AuditEntry] = []
    for year in range(now.year - years, now.year + 1):
        for register in await store.registered(KIND, ehr=ehr, subject=f"{patient}/{year}"):
            found += await store.entries(register.id)
    return found


def subject_of(patient: str, at: datetime) -> str:
    """Return the subject of a patient's register of a year, ``Patient/<id>/<year>``."""
    return f"{patient}/{at.year}"


def patient_of(register: Registered) -> str:
    """Return whose accesses a register has, ``Patient/<id>``."""
    return register.subject.rpartition("/")[0]


def year_of(register: Registered) -> int:
    """Return the year of a register's accesses."""
    return int(register.subject.rpartition("/")[2])


def owner(entry: AuditEntry, ehr: str) -> str | None:
    """Return whose access an entry is, None for an entry of another kind of chain or of another tenant."""
    subject = entry.detail.get("subject")
    if not isinstance(subject, str):
        return None
    whose = claims.of_register(Register(entry.draft, KIND, ehr, subject))
    return subject.rpartition("/")[0] if whose.items() <= entry.detail.items() else None


def session_of(token: str) -> str:
    """Return what tells one sign-in from another: a digest of its token, from which nobody gets the token."""
    return hashlib.sha256(b"undersign-access:" + token.encode()).hexdigest()[:32]


def _detail(who: Who, asked: Asked, subject: str) -> dict[str, Any]:
    told = {"what": asked.what, "name": asked.name, "version": asked.version, "query": asked.query}
    said = {name: value for name, value in told.items() if value}
    always = {"interaction": asked.interaction, "way": asked.way, "session": session_of(who.token), "subject": subject}
    return {**always, **said}
