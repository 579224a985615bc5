"""Antidepressants that are taken for something else: they count for every interaction, and are not the treatment.

By what the order says, by a brand, a drug or a combination that is for something else, or by a dose below the one that
treats depression, of drugs that are often given so (``knowledge/other_uses.csv``). The last is a question.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fhir_adapters.canonical import MedicationCourse
from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.errors import KnowledgeError

_KINDS = ("reason", "brand", "drug", "with", "low-dose")


@dataclass(frozen=True, slots=True)
class OtherUse:
    """What a course is taken for instead: ``words``, ``told`` where the record says so, and the row's source."""

    words: str
    told: bool
    source: str
    verified: bool


@cache
def _table() -> Mapping[str, Mapping[str, OtherUse]]:
    """Return the rows by kind and key; KnowledgeError U-KNOWLEDGE-ROW for one that cannot be read."""
    text = (files("recommender") / "knowledge" / "other_uses.csv").read_text("utf-8")
    found: dict[str, dict[str, OtherUse]] = {kind: {} for kind in _KINDS}
    try:
        for row in csv.DictReader(text.splitlines()):
            told = row["kind"] != "low-dose"
            found[row["kind"]][row["key"]] = OtherUse(row["words"], told, row["source"], row["verified"] == "yes")
    except KeyError as error:
        raise KnowledgeError("U-KNOWLEDGE-ROW", f"other_uses.csv cannot be read ({error}); correct the row.") from error
    return found


def of(course: MedicationCourse, knowledge: Knowledge) -> OtherUse | None:
    """Return what an antidepressant is taken for instead of a depression or an anxiety; None where that is its use."""
    table = _table()
    if course.taken_for:
        stated = OtherUse(f"“{'; '.join(course.taken_for)}”", True, "POLICY", False)
        return stated if table["reason"].keys().isdisjoint(course.reasons) else None
    words = frozenset(course.text.casefold().replace("[", " ").replace("]", " ").split())
    named = (use for name, use in table["brand"].items() if words.issuperset(name.split()))
    beside = (use for drug, use in table["with"].items() if drug in course.ingredients)
    alone = table["drug"].get(course.ingredients[0]) if len(course.ingredients) == 1 else None
    return next(named, None) or next(beside, None) or alone or _low(course, table["low-dose"], knowledge)


def _low(course: MedicationCourse, rows: Mapping[str, OtherUse], knowledge: Knowledge) -> OtherUse | None:
    drug = knowledge.drug(course.ingredients[0]) if len(course.ingredients) == 1 else None
    if drug is None or drug.usual_min_mg is None or course.dose_mg_per_day is None:
        return None
    if course.dose_mg_per_day >= drug.usual_min_mg:
        return None
    names = (key for key in rows if drug.ingredient == key or knowledge.in_class(drug.ingredient, key))
    return next((rows[key] for key in names), None)


def said(course: MedicationCourse, use: OtherUse) -> Reason:
    """Return what is said of such a course in the plan; where only the dose tells, that it is to be asked."""
    label = " with ".join(course.ingredients) or course.text
    dose = f" {course.dose_mg_per_day:g} mg a day" if course.dose_mg_per_day else ""
    counted = "it is not counted as the present antidepressant, and counts for every interaction."
    return Reason(
        rule="OTHER-USE",
        severity="none",
        message=(
            f"{label.capitalize()}{dose} is taken for {use.words}: {counted}"
            if use.told
            else f"{label.capitalize()}{dose} is below the doses that treat depression, perhaps for {use.words}: "
            f"ask what it is taken for; {counted}"
        ),
        source=use.source,
        verified=use.verified,
        unknown=not use.told,
        missing=None if use.told else f"what {label} is taken for",
        facts=(course.source.reference,),
    )
