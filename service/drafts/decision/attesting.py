"""What a practitioner does about a patient whom a person must look into: attest that the suicide risk was assessed.

The API and the page both come through here. May-attest is may-sign, asked of the EHR each time with the user's own
token; whether drafting then opens is the recommender's to say, from what is recorded here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from recommender.assessment import Assessment, Attestation
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import GateRow
from service import site_time, telemetry
from service.drafts.canonical_json import dumps
from service.drafts.flags import Attested, NewAttestation, Result
from service.drafts.signature import orders
from service.errors import Unprocessable

if TYPE_CHECKING:
    from fhir_adapters.dialect.profile import Profile
    from service.bootstrap import Services
    from service.smart.practitioner import Practitioner

Reviewer = Literal["self", "psychiatrist", "crisis-team"]
# Who sees the patient next. A choice and no free text: it is repeated on cards and in drafts.
REVIEWERS: Final[Mapping[Reviewer, str]] = {
    "self": "the practitioner who assessed",
    "psychiatrist": "a psychiatrist",
    "crisis-team": "the crisis team",
}
_AHEAD = timedelta(minutes=1)  # two clocks that a person reads are never quite the same


@dataclass(frozen=True, slots=True)
class Word:
    """What a practitioner states: when the risk was assessed, what follows for drafting, who sees the patient when."""

    assessed: datetime
    result: Result
    reviewer: Reviewer
    review_on: date


@dataclass(frozen=True, slots=True)
class Limits:
    """How old an assessment may be to count, and how soon the patient is seen again where drafting may open."""

    window_days: int
    review_days: int


def limits(knowledge: Knowledge) -> Limits:
    """Return the limits that the knowledge sets."""
    windows = [row.window_days or 0 for row in knowledge.gates if _is_attestation(row)]
    return Limits(max(windows, default=0), int(knowledge.policies["reopened_review_days"]))


async def attest(services: "Services", patient: str, practitioner: "Practitioner", token: str, word: Word) -> Attested:
    """Record a practitioner's word; the caller has seen that the EHR opens this patient to the user.

    Forbidden U-SIGNER-*; Unprocessable U-ATTEST-TIME, U-ATTEST-REVIEW; EhrFailed when the EHR cannot say whether
    the practitioner may prescribe.
    """
    profile, now = services.profiles[practitioner.ehr], await services.store.now()
    _check(word, limits(services.knowledge), now, profile)
    found = await services.clients[practitioner.ehr].practitioner_may_prescribe(practitioner.reference, token)
    own_name = practitioner.display or practitioner.reference
    new = NewAttestation(
        ehr=practitioner.ehr,
        patient=patient,
        practitioner=practitioner.reference,
        display=practitioner.display,
        role=found.role,
        assessed=word.assessed,
        result=word.result,
        review_by=own_name if word.reviewer == "self" else REVIEWERS[word.reviewer],
        review_on=word.review_on,
    )
    assertion = orders.assertion(replace(practitioner, role=found.role))
    attested = await services.store.attest(new, {"assertion": assertion})
    telemetry.ATTESTATIONS.labels(attested.result).inc()
    telemetry.log().info("attested", ehr=practitioner.ehr, outcome=attested.result)
    return attested


def known(found: Attested, profile: "Profile") -> Attestation:
    """Return a recorded attestation as the recommender reads it: by the site's calendar, with its instant."""
    return Attestation(
        by=found.by,
        day=site_time.local(found.assessed, profile).date(),
        result=found.result,
        review_by=found.review_by,
        review_on=found.review_on,
        moment=found.assessed.isoformat(timespec="seconds"),
    )


def is_asked(assessment: Assessment, knowledge: Knowledge) -> bool:
    """Say whether drafting is closed on something that a person's assessment settles, or that one keeps closed."""
    status = assessment.gate.status
    told = {escalation.rule for escalation in assessment.escalations}
    return status == "crisis" or (status != "open" and not told.isdisjoint(_settled(knowledge)))


def context(assessment: Assessment) -> bytes:
    """Return what the page later shows of an alarm."""
    gate = assessment.gate
    shown: dict[str, Any] = {
        "as_of": assessment.as_of.isoformat(),
        "status": gate.status,
        "reasons": list(gate.reasons),
        "silent": gate.silent,
        "to_tell": [{"to": e.to, "urgency": e.urgency, "reason": e.reason} for e in assessment.escalations],
        "versions": dict(assessment.versions),
    }
    return dumps(shown)


def _is_attestation(row: GateRow) -> bool:
    return row.effect == "assessment" and row.reads == "attestation"


def _settled(knowledge: Knowledge) -> frozenset[str]:
    """Return the rows that an attestation settles: those that name it, and the closing that an earlier one made."""
    attestations = {row.id for row in knowledge.gates if _is_attestation(row)}
    rows = (
        row
        for row in knowledge.gates
        if not attestations.isdisjoint(row.assessed_by) or (row.effect == "follow-up" and row.reads == "attestation")
    )
    return frozenset(row.id for row in rows)


def _check(word: Word, most: Limits, now: datetime, profile: "Profile") -> None:
    if word.assessed > now + _AHEAD:
        raise Unprocessable("U-ATTEST-TIME", "The assessment lies in the future: state when it was made.")
    today = site_time.local(now, profile).date()
    if (today - site_time.local(word.assessed, profile).date()).days > most.window_days:
        msg = f"An assessment counts for {most.window_days} days, and this one is older: assess again."
        raise Unprocessable("U-ATTEST-TIME", msg)
    ahead = most.review_days if word.result == "may-open" else most.window_days
    if not 0 <= (word.review_on - today).days <= ahead:
        raise Unprocessable("U-ATTEST-REVIEW", f"The next review has to be from today on and within {ahead} days.")
