"""The assessment as the JSON of the outside contract: absent is absent, never null or zero."""

from collections.abc import Mapping
from typing import Any

from fhir_adapters.canonical import Adapted, Feature, Source
from recommender import serialize_ranking as ranking
from recommender.assessment import Assessment, Candidate, Dose, Gate, Reason, Switch


def features_json(adapted: Adapted) -> dict[str, Any]:
    """Return patient, date, profile, version and features: what ``undersign features --json`` prints."""
    return {
        "patient": adapted.patient.reference,
        "as_of": adapted.features.as_of.isoformat(),
        "profile": adapted.profile,
        "fhir_version": adapted.patient.fhir_version,
        "features": {name: _feature(f) for name, f in adapted.features.features.items()},
    }


def assessment_json(assessment: Assessment, adapted: Adapted) -> dict[str, Any]:
    """Return the whole line of ``undersign assess --json``."""
    return {
        **features_json(adapted),
        "gate": _gate(assessment.gate),
        "escalations": [
            {"to": e.to, "urgency": e.urgency, "reason": e.reason, "rule": e.rule} for e in assessment.escalations
        ],
        "conditions": list(assessment.conditions),
        **_present({"focus": assessment.focus, "step": assessment.step, "ranked_by": assessment.ranked_by or None}),
        "step_reasons": [_reason(r) for r in assessment.step_reasons],
        "named": list(assessment.named),
        "candidates": [_candidate(c) for c in assessment.candidates],
        "current": [
            {"ingredient": c.ingredient, "reasons": [_reason(r) for r in c.reasons]} for c in assessment.current
        ],
        **(ranking.explanation(assessment.explanation) if assessment.explanation else {}),
        "unknowns": list(assessment.unknowns),
        "drafts": [dict(d) for d in assessment.drafts],
        "versions": {**assessment.versions, "features": adapted.features.schema},
    }


def _gate(gate: Gate) -> dict[str, Any]:
    return _present(
        {
            "status": gate.status,
            "reasons": list(gate.reasons),
            "warnings": list(gate.warnings) or None,
            "supply_days": gate.supply_days,
            "silent": True if gate.silent else None,
        }
    )


def _feature(feature: Feature) -> dict[str, Any]:
    return _present(
        {
            "status": feature.status,
            "value": feature.value,
            "unit": feature.unit,
            "reason": feature.reason,
            "effective": feature.effective.isoformat() if feature.effective else None,
            "source": _source(feature.source) if feature.source else None,
        }
    )


def _source(source: Source) -> dict[str, Any]:
    original = source.original
    found = _present({"value": original.value, "unit": original.unit, "code": original.code}) if original else None
    return _present(
        {
            "reference": source.reference,
            "path": source.path,
            "rule": source.rule,
            "original": found or None,
            "repairs": list(source.repairs) or None,
        }
    )


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return _present(
        {
            "ingredient": candidate.ingredient,
            "rxnorm": candidate.rxnorm,
            "verdict": candidate.verdict,
            "severity": candidate.severity,
            "reasons": [_reason(r) for r in candidate.reasons],
            "dose": _dose(candidate.dose) if candidate.dose else None,
            "predictions": ranking.predictions(candidate.predictions) if candidate.predictions else None,
            "not_known": list(candidate.not_known) or None,
            "symptom_change": ranking.symptom_change(candidate.symptom_change) if candidate.symptom_change else None,
            "utility": ranking.rounded(candidate.utility),
            "band": candidate.band,
            "near_best": ranking.rounded(candidate.near_best),
            "switch": [_switch(one) for one in candidate.switch] or None,
        }
    )


def _reason(reason: Reason) -> dict[str, Any]:
    return _present(
        {
            "rule": reason.rule,
            "severity": reason.severity,
            "message": reason.message,
            "source": reason.source,
            "verified": reason.verified,
            "unknown": True if reason.unknown else None,
            "missing": reason.missing,
            "facts": list(reason.facts) or None,
        }
    )


def _switch(one: Switch) -> dict[str, Any]:
    return {
        "replaces": one.replaces,
        "way": one.way,
        "plan": one.plan,
        "rule": one.rule,
        "source": one.source,
        "verified": one.verified,
    }


def _dose(dose: Dose) -> dict[str, Any]:
    return {
        "start_mg_per_day": dose.start_mg_per_day,
        "max_mg_per_day": dose.max_mg_per_day,
        "doses_per_day": dose.doses_per_day,
        "adjusted_by": list(dose.adjusted_by),
        "pending": list(dose.pending),
        "titration": dose.titration,
        "orderable": {"rxnorm": dose.orderable, "name": dose.orderable_name, "strength_mg": dose.strength_mg},
    }


def _present(pairs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pairs.items() if value is not None}
