"""The chart facts that a held draft keeps for its page: what its pictures show, and what its reasons cite.

They are kept with the draft, so that the page shows what the draft stood on and not what the chart says later.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from fhir_adapters.canonical import CanonicalPatient, MedicationCourse, ScaleScore
from fhir_adapters.vector.schema import FEATURES
from recommender.assessment import SEVERITIES, Assessment, Reason
from recommender.gene import gene_states
from recommender.gene.gene_states import GeneState
from recommender.gene.pgx_rows import Pharmacogenomics

_SCALES = ("phq9", "gad7")
_MOST_SCORES, _MOST_COURSES, _MOST_RULED_OUT = 12, 8, 6  # a page's room; the newest are kept
_MEANINGS = {feature.name: feature.meaning for feature in FEATURES if feature.unit}
_NUMBERED = re.compile(r"([A-Z]+)(\d+)")  # PHQ9 is written PHQ-9
Kept = dict[str, Any]


def pictured(patient: CanonicalPatient, assessment: Assessment) -> Kept:
    """Return the scores and the drug courses that the page draws, newest first, and which lists were there to read.

    ``treats`` tells a drug for the condition that is planned for from what is taken beside it.
    """
    considered = {candidate.ingredient for candidate in assessment.candidates}
    told = [course for course in patient.medications if course.ingredients]
    told.sort(key=lambda course: considered.isdisjoint(course.ingredients))
    return {
        "scores": {scale: _scores(patient.scales, scale) for scale in _SCALES},
        "courses": [_course(one, considered) for one in told[:_MOST_COURSES]],
        "courses_left": max(0, len(told) - _MOST_COURSES),
        "lists": sorted(name for name, state in patient.lists.items() if state != "not-supplied"),
    }


def genes(patient: CanonicalPatient, drugs: Iterable[str], tables: Pharmacogenomics) -> list[Kept]:
    """Return each gene that guidance reads for these drugs, tested or not, by name."""
    rows = (row for drug in drugs for row in tables.guidance.get(drug, ()))
    wanted = {gene for row in rows for gene in row.genes}
    found: Mapping[str, GeneState] = gene_states.states(patient, tables)
    dates = {one.source.reference: one.effective for one in patient.genotypes}
    return [_gene(found[gene], dates) for gene in sorted(wanted & found.keys())]


def cited(patient: CanonicalPatient, reasons: Iterable[Reason]) -> dict[str, Kept]:
    """Return what each chart resource says that one of the reasons stands on, with its date, by reference."""
    wanted = {fact for reason in reasons if not reason.unknown for fact in reason.facts}
    return {reference: found for reference, found in _all(patient) if reference in wanted}


def ruled_out(assessment: Assessment) -> list[Kept]:
    """Return the drugs that a fact of this chart excludes, each with the worst reason that does."""
    taken = {drug.ingredient for drug in assessment.current}
    out: list[tuple[str, Reason]] = []
    for candidate in assessment.candidates:
        blocking = [r for r in candidate.reasons if r.blocks and r.facts and not r.unknown]
        if candidate.verdict == "excluded" and blocking and candidate.ingredient not in taken:
            out.append((candidate.ingredient, min(blocking, key=_rank)))
    out.sort(key=lambda pair: (_rank(pair[1]), pair[0]))
    return [{"ingredient": name, "message": reason.message} for name, reason in out[:_MOST_RULED_OUT]]


def _rank(reason: Reason) -> int:
    return SEVERITIES.index(reason.severity)


def order_of(assessment: Assessment) -> Kept:
    """Return what made the order of the ranked drugs, in words, and what would change it, as it was found."""
    why = assessment.explanation
    if why is None:
        return {"differences": [], "moved_by": [], "unmeasured": [], "statement": ""}
    return {
        "statement": why.statement,
        "differences": [one.message for one in why.differences],
        "moved_by": [msgspec.to_builtins(one) for one in why.sensitivity],
        "unmeasured": [msgspec.to_builtins(one) for one in why.unmeasured],
    }


def _scores(scales: Sequence[ScaleScore], scale: str) -> list[Kept]:
    found = [one for one in scales if (one.scale, one.part) == (scale, "total") and one.effective is not None]
    return [
        {"value": one.value, "date": _iso(one.effective), "reference": one.source.reference}
        for one in found[:_MOST_SCORES]
    ]


def _course(course: MedicationCourse, considered: set[str]) -> Kept:
    told = {
        "drug": " with ".join(name.replace("_", " ") for name in course.ingredients),
        "treats": not considered.isdisjoint(course.ingredients),
        "taking": course.taking,
        "start": _iso(course.start),
        "stop": _iso(course.stop),
        "dose_mg_per_day": course.dose_mg_per_day,
        "as_needed": course.as_needed or None,
        "because": course.stopped_because,
        "reference": course.source.reference,
    }
    return {name: value for name, value in told.items() if value is not None}


def _gene(state: GeneState, dates: Mapping[str, date | None]) -> Kept:
    if state.certainty == "not-tested":
        return {"gene": state.gene, "certainty": state.certainty}
    days = [day for fact in state.facts if (day := dates.get(fact)) is not None]
    return {
        "gene": state.gene,
        "certainty": state.certainty,
        "phenotypes": [f"{name}{f' ({score})' if score else ''}" for name, score in state.phenotypes.items()],
        "words": state.words,
        "facts": list(state.facts),
        **({"date": _iso(max(days))} if days else {}),
    }


def _all(patient: CanonicalPatient) -> Iterable[tuple[str, Kept]]:
    """Yield what the page may cite; of a resource with more than one value the last one stays, a total of a scale."""
    if patient.birth_date:
        yield _cite(patient.reference, "birth date", patient.birth_date)
    for one in patient.measurements:
        value = f"{one.value:g}" if isinstance(one.value, float | int) else one.value
        named = _MEANINGS.get(one.key, one.key.replace("_", " "))
        yield _cite(one.source.reference, f"{named} {value} {one.unit or ''}", one.effective)
    for one in sorted(patient.scales, key=lambda one: one.part == "total"):
        scale = _NUMBERED.sub(r"\1-\2", one.scale.upper())
        yield _cite(one.source.reference, f"{scale} {one.part} {one.value:g}", one.effective)
    for one in patient.medications:
        yield _cite(one.source.reference, one.text, one.start)
    for one in patient.diagnoses:
        yield _cite(one.source.reference, one.text, one.onset)
    for one in patient.allergies:
        yield _cite(one.source.reference, one.text, None)
    for one in patient.genotypes:
        yield _cite(one.source.reference, f"{one.gene} {one.allele or ''} {one.value}", one.effective)


def _cite(reference: str, words: str, day: date | None) -> tuple[str, Kept]:
    return reference, {"what": " ".join(words.split())} | ({"date": _iso(day)} if day else {})


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
