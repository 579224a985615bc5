"""FHIR elements as plain dicts: what every writer needs to take them apart and put them together again.

Writers get copies, so they change what they are given and return it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

Resource = dict[str, Any]
Concept = dict[str, Any]
Rule = Callable[[Resource], Iterable[Resource]]
Rules = Mapping[str, Rule]
"""What becomes of one resource: usually itself rewritten, sometimes with others beside it, or nothing."""

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def rewritten(resources: Sequence[Resource], rules: Mapping[str, Rule]) -> list[Resource]:
    """Return the resources with each type's rule applied to copies; types without a rule stay as they are.

    A resource that several rules gave (one Medication of two orders) stands once.
    """
    written: dict[tuple[str, str, int], Resource] = {}
    for place, resource in enumerate(deepcopy(list(resources))):
        rule = rules.get(resource["resourceType"])
        for one in rule(resource) if rule else (resource,):
            key = (one["resourceType"], str(one.get("id", "")), 0 if one.get("id") else place)
            written.setdefault(key, one)
    return list(written.values())


def each(change: Callable[[Resource], Resource]) -> Rule:
    """Return the rule that changes every resource of a type into one."""
    return lambda resource: (change(resource),)


def dropped(_: Resource) -> tuple[Resource, ...]:
    """Rule of a type that the dialect does not serve."""
    return ()


def coding(system: str | None, code: str | None, display: str | None = None) -> Resource:
    """Return a Coding without its empty elements."""
    return present({"system": system, "code": code, "display": display})


def concept(*codings: Resource, text: str | None = None) -> Concept:
    """Return a CodeableConcept without its empty elements."""
    return present({"coding": list(codings) or None, "text": text})


def present(elements: Resource) -> Resource:
    """Return the elements that have a value: FHIR knows no null."""
    return {name: value for name, value in elements.items() if value is not None}


def codings(value: Concept | None) -> list[Resource]:
    """Return the codings of a concept, none for None."""
    return list(value.get("coding", ())) if value else []


def code_in(value: Concept | None, system: str) -> str | None:
    """Return the first code of a concept in one system."""
    return next((one["code"] for one in codings(value) if one.get("system") == system and "code" in one), None)


def first_code(value: Concept | None) -> str | None:
    """Return the first code of a concept, whatever its system."""
    return next((one["code"] for one in codings(value) if "code" in one), None)


def words(value: Concept | None) -> str:
    """Return the text of a concept, else its first display, else nothing."""
    shown = (str(one["display"]) for one in codings(value) if "display" in one)
    return str(value["text"]) if value and "text" in value else next(shown, "")


def moved(resource: Resource, names: Mapping[str, str]) -> Resource:
    """Return the resource with elements under other names, in the same places."""
    return {names.get(name, name): value for name, value in resource.items()}


def without(resource: Resource, *names: str) -> Resource:
    """Return the resource without some elements."""
    return {name: value for name, value in resource.items() if name not in names}


def day(text: str | None) -> str | None:
    """Return the date of a dateTime."""
    return text[:10] if text else None


def first(values: Any) -> Any:
    """Return the first of a list, None of an empty or missing one."""
    return values[0] if values else None


def category_of(resource: Resource) -> str | None:
    """Return the code of the first category of an R4 resource."""
    return first_code(first(resource.get("category")))


def picked(resource: Resource, of: int) -> bool:
    """Say whether a habit that a vendor has now and then falls on this resource: one in ``of``, by its id.

    By the id alone, so that neither order nor company of a resource changes how it is written.
    """
    return sum(str(resource.get("id", "")).encode()) % of == 0
