"""The digest of what an assessment stands on: the same facts give the same drafts, other facts new ones."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment, Attestation, Candidate, Reason


def facts_digest(adapted: Adapted, assessment: Assessment, attested: Sequence[Attestation] = ()) -> str:
    """Return the SHA-256 (hexadecimal) over the canonical patient, what was attested, the versions and the decisions.

    The day is not part of it. What a new day changes in the decisions is: a draft must not outlive the age
    limit or the stale score that would close its gate today.
    """
    facts = (adapted.patient, attested, adapted.profile, assessment.versions, _decisions(assessment))
    return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()


def _decisions(assessment: Assessment) -> list[Any]:
    return [
        assessment.gate.status,
        assessment.gate.warnings,
        assessment.gate.supply_days,
        assessment.step,
        sorted(escalation.rule for escalation in assessment.escalations),
        sorted(assessment.offered),
        [_decision(candidate) for candidate in assessment.candidates],
        [(drug.ingredient, _rules(drug.reasons)) for drug in assessment.current],
    ]


def _decision(candidate: Candidate) -> tuple[object, ...]:
    return (
        candidate.ingredient,
        candidate.verdict,
        candidate.severity,
        candidate.dose,
        _rules(candidate.reasons),
    )


def _rules(reasons: tuple[Reason, ...]) -> list[tuple[str, str, bool]]:
    return sorted((reason.rule, reason.severity, reason.unknown) for reason in reasons)
