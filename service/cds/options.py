"""The options of a card: what is held for each, and what the page and the audit later need of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fhir_adapters.canonical import Adapted, Feature
from recommender.assessment import Assessment, Candidate, CurrentDrug, Prediction, Reason
from recommender.drafts import option_label
from service.drafts.canonical_json import dumps
from service.drafts.store import NewDraft

OFFERED = 2  # with "no change" three options, the most that a card shows


def new_drafts(assessment: Assessment, adapted: Adapted, summary: str) -> tuple[NewDraft, ...]:
    """Return the drafts to hold, in rank order."""
    shared = _shared(assessment, adapted, summary)
    pairs = zip(offered(assessment), assessment.drafts, strict=False)
    return tuple(
        NewDraft(
            ingredient=candidate.ingredient,
            rank=rank,
            resource=dumps(dict(draft)),
            context=msgspec.json.encode({**shared, **_context(candidate, assessment)}, order="sorted"),
        )
        for rank, (candidate, draft) in enumerate(pairs)
    )


def offered(assessment: Assessment) -> tuple[Candidate, ...]:
    """Return the candidates that a card offers, best band first."""
    by_name = {candidate.ingredient: candidate for candidate in assessment.candidates}
    return tuple(by_name[name] for name in assessment.offered[:OFFERED])


def treatment(assessment: Assessment) -> tuple[CurrentDrug, ...]:
    """Return the present drugs for the condition: those that are themselves candidates."""
    considered = {candidate.ingredient for candidate in assessment.candidates}
    return tuple(drug for drug in assessment.current if drug.ingredient in considered)


def label(candidate: Candidate, assessment: Assessment) -> str:
    """Return an option in words: ``Switch to sertraline 50 mg a day``."""
    if candidate.dose is None:
        return candidate.ingredient
    replaces = [drug.ingredient for drug in treatment(assessment)] if assessment.step == "switch" else []
    return option_label(candidate, candidate.dose, replaces)


def ties(assessment: Assessment) -> str:
    """Return the sentence on how the options stand to each other."""
    found = offered(assessment)
    if len(found) < 2:
        return ""
    if not any(one.predictions for one in found):
        return f"Order: {assessment.ranked_by}; not by the learned model." if assessment.ranked_by else ""
    if found[0].band == found[1].band:
        return "The two drugs are as good as tied: preferences decide."
    return f"By these estimates {found[0].ingredient} is ahead; the difference is between trials' averages."


def known(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return the reasons that say something and whose input is known, in the order given."""
    return tuple(reason for reason in reasons if not reason.unknown and reason.severity != "none")


def _context(candidate: Candidate, assessment: Assessment) -> dict[str, Any]:
    serious = [r for r in known(candidate.reasons) if r.severity in ("contraindicated", "warning")]
    return {
        "option": label(candidate, assessment),
        "acknowledge": list(dict.fromkeys((*assessment.gate.warnings, *(reason.message for reason in serious)))),
        "reasons": [msgspec.to_builtins(reason) for reason in candidate.reasons],
        "predictions": _predictions(candidate.predictions),
        "band": candidate.band,
        "dose": msgspec.to_builtins(candidate.dose),
    }


def _shared(assessment: Assessment, adapted: Adapted, summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "as_of": assessment.as_of.isoformat(),
        "step": assessment.step,
        "ties": ties(assessment),
        "unknowns": list(assessment.unknowns),
        "versions": dict(assessment.versions),
        "no_change": _predictions(assessment.no_change),
        "present": [_present(drug) for drug in treatment(assessment)],
        "to_tell": [{"to": e.to, "urgency": e.urgency, "reason": e.reason} for e in assessment.escalations],
        "warnings": list(assessment.gate.warnings),
        "supply_days": assessment.gate.supply_days,
        "unchecked": list(assessment.gate.reasons),
        "facts": [_fact(f) for f in adapted.features.features.values() if f.status == "present"],
    }


def _present(drug: CurrentDrug) -> dict[str, Any]:
    return {
        "ingredient": drug.ingredient,
        "since": drug.since.isoformat() if drug.since else None,
        "dose_mg_per_day": drug.dose_mg_per_day,
        "reasons": [msgspec.to_builtins(reason) for reason in known(drug.reasons)],
    }


def _predictions(found: Mapping[str, Prediction] | None) -> dict[str, Any]:
    return {name: msgspec.to_builtins(prediction) for name, prediction in (found or {}).items()}


def _fact(feature: Feature) -> dict[str, Any]:
    fact = {
        "name": feature.name,
        "value": feature.value,
        "unit": feature.unit,
        "effective": feature.effective.isoformat() if feature.effective else None,
        "reference": feature.source.reference if feature.source else None,
    }
    return {name: value for name, value in fact.items() if value is not None}
