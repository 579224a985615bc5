"""What a patient says about AI suggestions, as a practitioner records it here; the EHR's own Consents count beside it.

The word stands until the next one. A denial closes drafting for the patient and withdraws what is held unsigned, in
the commit that records it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

from fhir_adapters.canonical import Adapted, ConsentDecision, Source
from fhir_adapters.facts import newest_first
from service import site_time, telemetry
from service.drafts.records import AuditEntry
from service.drafts.registers import Registered
from service.drafts.store import Store

if TYPE_CHECKING:
    from fhir_adapters.dialect.profile import Profile
    from service.bootstrap import Services
    from service.smart.practitioner import Practitioner

Decision = Literal["deny", "permit"]
ToldBy = Literal["patient", "representative"]
DECISIONS: Final[tuple[Decision, ...]] = get_args(Decision)
TOLD_BY: Final[tuple[ToldBy, ...]] = get_args(ToldBy)
_KIND: Final = "consent"
_EVENT: Final = "recorded"
RECORDED: Final = "recorded-here"  # the reason of the decision, as cards and pages put it into words


@dataclass(frozen=True, slots=True)
class Word:
    """What was said, and by whom: the patient, or a person who may decide for them."""

    decision: Decision
    told_by: ToldBy


async def record(services: "Services", patient: str, practitioner: "Practitioner", said: Word) -> Registered:
    """Record the patient's word; the caller has seen that the EHR opens this patient to the user.

    A denial withdraws the patient's unsigned drafts; the same one again changes nothing. A permission is of its day, so
    that it is always entered: it may end a denial of the EHR's that came since the last one.
    """
    known = await of_patient(services.store, practitioner.ehr, patient)
    if said.decision == "deny" and known is not None and word(known.entry) == said:
        return known
    detail = {"decision": said.decision, "told_by": said.told_by, "display": practitioner.display}
    found = await services.store.enter(_KIND, practitioner.ehr, patient, _EVENT, practitioner.reference, detail)
    telemetry.log().info("consent recorded", ehr=practitioner.ehr, outcome=said.decision)
    return found


async def of_patient(store: Store, ehr: str, patient: str) -> Registered | None:
    """Return the last word that was recorded here of a patient, None where there is none."""
    found = await store.registered(_KIND, ehr=ehr, subject=patient)
    return found[0] if found else None


async def history(store: Store, ehr: str, patient: str) -> Sequence[AuditEntry]:
    """Return every word that was recorded here of a patient, oldest first."""
    last = await of_patient(store, ehr, patient)
    return await store.entries(last.id) if last else ()


def with_word(adapted: Adapted, found: Registered | None, profile: "Profile") -> Adapted:
    """Return the chart with the recorded word among its Consents.

    A denial has no day: it is the newest word whatever the EHR holds, until a permission is recorded here. A permission
    is of its day, so that a later denial in the EHR ends it.
    """
    if found is None:
        return adapted
    decision = word(found.entry).decision
    day = site_time.local(found.entry.at, profile).date() if decision == "permit" else None
    said = ConsentDecision(decision, RECORDED, day, None, Source(f"Consent/{found.id}", "provision", RECORDED))
    consents = newest_first(
        [*adapted.patient.consents, said], lambda one: (one.start, None), lambda one: (one.source.reference,)
    )
    return replace(adapted, patient=replace(adapted.patient, consents=consents))


def word(entry: AuditEntry) -> Word:
    """Return what an entry says."""
    return Word(entry.detail["decision"], entry.detail["told_by"])


def read_word(decision: str, told_by: str) -> Word | None:
    """Return a word that was sent; None for anything that nobody can say here."""
    if decision not in DECISIONS or told_by not in TOLD_BY:
        return None
    return Word(decision, told_by)
