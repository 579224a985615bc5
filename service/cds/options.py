"""The options of a card: what is held for each, and what the page and the audit later need of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fhir_adapters.canonical import Adapted, Feature
from recommender.assessment import Assessment, Candidate, CurrentDrug, Prediction, Reason
from recommender.gene.pgx_rows import Pharmacogenomics
from service.cds import chart_facts, focus, undrafted
from service.cds.language import ENGLISH, Phrases
from service.cds.words import number
from service.drafts.canonical_json import dumps, load_object
from service.drafts.order import differences, dosages
from service.drafts.order.edits import EDITABLE
from service.drafts.records import Draft, NewDraft

OFFERED = 2  # with "no change" three options, the most that a card shows


def new_drafts(
    assessment: Assessment,
    adapted: Adapted,
    summary: str,
    tables: Pharmacogenomics | None = None,
    inputs: str | None = None,
) -> tuple[NewDraft, ...]:
    """Return the drafts to hold, in rank order. What is kept in words is English: the page is.

    ``tables`` tell which genes matter for the options; without them none is shown. ``inputs`` as they are kept for
    a replay.
    """
    shared = {**_shared(assessment, adapted, summary), **_drawn(assessment, adapted, tables)}
    shared |= {"labels": msgspec.to_builtins(adapted.patient.labels)} | ({"inputs": inputs} if inputs else {})
    pairs = zip(offered(assessment), assessment.drafts, strict=False)
    return tuple(
        NewDraft(
            ingredient=candidate.ingredient,
            rank=rank,
            resource=dumps(dict(draft)),
            context=msgspec.json.encode({**shared, **_context(candidate, assessment, draft)}, order="sorted"),
        )
        for rank, (candidate, draft) in enumerate(pairs)
    )


def offered(assessment: Assessment) -> tuple[Candidate, ...]:
    """Return the candidates that a card offers, best band first."""
    by_name = {candidate.ingredient: candidate for candidate in assessment.candidates}
    return tuple(by_name[name] for name in assessment.offered[:OFFERED])


def treatment(assessment: Assessment) -> tuple[CurrentDrug, ...]:
    """Return the present drugs for the condition: those that are themselves candidates, and not for something else."""
    considered = {candidate.ingredient for candidate in assessment.candidates}
    return tuple(drug for drug in assessment.current if drug.ingredient in considered and not drug.other_use)


def kept(assessment: Assessment, say: Phrases) -> str:
    """Return what "no change" keeps, in words."""
    taken = ", ".join(present(drug, say) for drug in treatment(assessment))
    if taken:
        return say.stay_on.format(drugs=taken)
    depressed = focus.condition(assessment) == focus.DEPRESSION
    return say.stay_without_antidepressant if depressed else say.stay_without_drug


def present(drug: CurrentDrug, say: Phrases) -> str:
    """Return a present drug with its daily dose where it is known."""
    name = drug.ingredient.replace("_", " ")
    return f"{name} {number(drug.dose_mg_per_day, say)} mg" if drug.dose_mg_per_day else name


def label(candidate: Candidate, assessment: Assessment, say: Phrases) -> str:
    """Return an option in words: ``Switch to sertraline 50 mg a day``."""
    if candidate.dose is None:
        return candidate.ingredient
    replaces = assessment.step == "switch" and bool(treatment(assessment))
    return _option(candidate.ingredient, candidate.dose.start_mg_per_day, say, replaces=replaces)


def held_label(draft: Draft, say: Phrases) -> str:
    """Return a held draft's option in words; where its dose was edited, with the highest daily dose that stands now."""
    context = load_object(draft.context)
    dose = context.get("dose")
    if not dose:
        return str(context.get("option", draft.ingredient))
    replaces = context.get("step") == "switch" and bool(context.get("present"))
    option = _option(draft.ingredient, float(dose["start_mg_per_day"]), say, replaces=replaces)
    if all(one["element"] != "dosageInstruction" for one in differences.differences(draft)):
        return option
    stands = dosages.mg_per_day(load_object(draft.resource).get("dosageInstruction"))
    return say.edited.format(option=option, dose=number(float(stands), say))


def _option(ingredient: str, mg: float, say: Phrases, *, replaces: bool) -> str:
    template = say.switch if replaces else say.start
    return template.format(drug=ingredient.replace("_", " "), dose=number(mg, say))


def ties(assessment: Assessment, say: Phrases) -> str:
    """Return the sentence on how the options stand to each other."""
    found = offered(assessment)
    if len(found) < 2:
        return ""
    if not any(one.predictions for one in found):
        return say.by_guideline.format(basis=assessment.ranked_by) if assessment.ranked_by else ""
    return say.tied if found[0].band == found[1].band else say.ahead.format(drug=found[0].ingredient)


def known(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return the reasons that say something and whose input is known, in the order given."""
    return tuple(reason for reason in reasons if not reason.unknown and reason.severity != "none")


def _context(candidate: Candidate, assessment: Assessment, draft: Mapping[str, Any]) -> dict[str, Any]:
    serious = [r for r in known(candidate.reasons) if r.severity in ("contraindicated", "warning")]
    return {
        "option": label(candidate, assessment, ENGLISH),
        "acknowledge": list(dict.fromkeys((*assessment.gate.warnings, *(reason.message for reason in serious)))),
        "reasons": [msgspec.to_builtins(reason) for reason in candidate.reasons],
        "predictions": _predictions(candidate.predictions),
        "band": candidate.band,
        "not_known": list(candidate.not_known),
        "dose": msgspec.to_builtins(candidate.dose),
        "switch": [msgspec.to_builtins(one) for one in candidate.switch],
        # An edit is compared with what was drafted, whatever was edited before it.
        "drafted": {name: draft[name] for name in EDITABLE if name in draft},
    }


def _shared(assessment: Assessment, adapted: Adapted, summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "as_of": assessment.as_of.isoformat(),
        "step": assessment.step,
        "focus": assessment.focus,
        "kept": kept(assessment, ENGLISH),
        "step_reasons": [msgspec.to_builtins(reason) for reason in assessment.step_reasons],
        "ranked_by": assessment.ranked_by,
        "named": list(assessment.named),
        "ties": ties(assessment, ENGLISH),
        "unknowns": list(assessment.unknowns),
        "versions": dict(assessment.versions),
        "no_change": _predictions(assessment.no_change),
        "present": [_present(drug) for drug in treatment(assessment)],
        "to_tell": [{"to": e.to, "urgency": e.urgency, "reason": e.reason} for e in assessment.escalations],
        "warnings": list(assessment.gate.warnings),
        "supply_days": assessment.gate.supply_days,
        "supply": msgspec.to_builtins(assessment.supply),
        "unchecked": list(assessment.gate.reasons),
        "facts": [_fact(f) for f in adapted.features.features.values() if f.status == "present"],
    }


def _drawn(assessment: Assessment, adapted: Adapted, tables: Pharmacogenomics | None) -> dict[str, Any]:
    """Return what the page draws and cites of the chart."""
    found, taken = offered(assessment), treatment(assessment)
    drugs = [one.ingredient for one in (*found, *taken)]
    told = [reason for one in (*found, *taken) for reason in known(one.reasons)]
    others = [one for one in assessment.candidates if one.ingredient not in drugs]
    said = frozenset[str].intersection(*(frozenset(r.message for r in one.reasons) for one in found)) if found else ()
    told += [reason for one in others if (reason := undrafted.why(one, said)) is not None]
    return {
        "chart": chart_facts.pictured(adapted.patient, assessment),
        "genes": chart_facts.genes(adapted.patient, drugs, tables) if tables else [],
        "cited": chart_facts.cited(adapted.patient, (*told, *assessment.step_reasons)),
        "ruled_out": chart_facts.ruled_out(assessment),
        "not_drafted": undrafted.kept(assessment, drugs, said),
        "order": chart_facts.order_of(assessment),
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
