"""Which drugs can be drafted at all, and what stands in the way of the others, whoever the patient is."""

from collections.abc import Iterator
from datetime import date

from fhir_adapters.canonical import Feature, FeatureVector
from fhir_adapters.vector.schema import FEATURES, SCHEMA_VERSION
from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import Drug
from recommender.dose.dosing import dose

_AGE = 40.0  # of an adult in whom no rule of age holds


def why_not(name: str, knowledge: Knowledge) -> tuple[str, ...]:
    """Return what keeps a formulary drug from being drafted, in words; empty for one that can be."""
    drug = knowledge.drugs[name]
    found = tuple(_facts(drug, knowledge))
    if found:
        return found
    dosed = dose(name, (), _plain_adult(), knowledge)
    return (dosed.message.rstrip("."),) if isinstance(dosed, Reason) else ()


def _facts(drug: Drug, knowledge: Knowledge) -> Iterator[str]:
    if drug.waived:
        yield f"not on this site's formulary ({drug.waived})"
    if drug.schedule != "none":
        yield f"controlled drug ({drug.schedule})"
    routes = (row for row in knowledge.routes.get(drug.ingredient, ()) if not row.reads.startswith("schedule"))
    yield from (row.message.rstrip(".") for row in routes)
    if drug.code_verified not in ("yes", "site"):
        yield f"code not verified ({drug.code_verified})"
    if drug.dose_verified not in ("label", "site"):
        yield f"dose not verified ({drug.dose_verified})"
    if not drug.basis.verified and drug.code_verified in ("yes", "site"):
        yield "row not verified"


def _plain_adult() -> FeatureVector:
    """Return the features of somebody of whom nothing but the age is known."""
    missing = {one.name: Feature(one.name, "missing", None, one.unit, "not asked", None) for one in FEATURES}
    age = Feature("age", "present", _AGE, missing["age"].unit, None, None)
    return FeatureVector("", date(2000, 1, 1), SCHEMA_VERSION, {**missing, "age": age})
