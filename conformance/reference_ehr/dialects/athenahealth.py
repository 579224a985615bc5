"""athenahealth R4: laboratory units as plain text, wrong and cancelled results among the good ones.

reference/ehr-adapters.md §1a: of 491 Observations 89 were entered in error, 23 cancelled or unknown, 47 had
text only; 92 had a text as their value. Every resource carries the practice's extensions.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from conformance.reference_ehr.dialects.drugs import drug_of, external, inlined
from conformance.reference_ehr.dialects.elements import (
    Resource,
    Rules,
    category_of,
    concept,
    each,
    picked,
    present,
    rewritten,
    without,
)
from conformance.reference_ehr.dialects.measures import each_value, in_units_of, text_units

_EXTENSIONS = "https://fhir.athena.io/StructureDefinition/"
_LONG_NAMES = {
    "mm[Hg]": "millimeter of mercury",
    "/min": "per minute",
    "kg": "kilogram",
    "cm": "centimeter",
    "Cel": "degree Celsius",
    "kg/m2": "kilogram per square meter",
}
_WRONG_EVERY, _CANCELLED_EVERY = 5, 7


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as athenahealth serves it, with the noise that stands in its results."""
    passed = ("Condition", "AllergyIntolerance", "QuestionnaireResponse", "Consent", "FamilyMemberHistory")
    rules: Rules = {
        "Patient": lambda one: [_marked(one), *_texts(one)],
        "Observation": _observation,
        "MedicationRequest": _order,
        "MedicationStatement": _order,
        **dict.fromkeys(passed, each(_marked)),
    }
    return rewritten(inlined(resources), rules)


def _order(order: Resource) -> list[Resource]:
    return [_marked(one) for one in external(order, drug_of(order), display=True, status="active")]


def _observation(observation: Resource) -> list[Resource]:
    laboratory = category_of(observation) == "laboratory"
    written = each_value(observation, _laboratory_value if laboratory else _long_name)
    noise: list[Resource] = []
    if "valueQuantity" in written and picked(observation, _WRONG_EVERY):
        quantity = written["valueQuantity"]
        wrong = {**quantity, "value": _tenfold(quantity["value"])}
        noise.append({**written, "id": f"{written['id']}-wrong", "status": "entered-in-error", "valueQuantity": wrong})
    if picked(observation, _CANCELLED_EVERY):
        bare = {name: part for name, part in written.items() if not name.startswith("value")}
        noise.append({**bare, "id": f"{written['id']}-cancelled", "status": "cancelled"})
    return [_marked(one) for one in (written, *noise)]


def _laboratory_value(value: Resource) -> Resource:
    return text_units(in_units_of("athenahealth-r4")(value))


def _long_name(value: Resource) -> Resource:
    quantity = value.get("valueQuantity", {})
    name = _LONG_NAMES.get(quantity.get("code"))
    return {**value, "valueQuantity": {**quantity, "unit": name}} if name else value


def _tenfold(value: Any) -> Any:
    return value * (Decimal(10) if isinstance(value, Decimal) else 10)


def _texts(patient: Resource) -> list[Resource]:
    """Return results that no code names, as they stand between the others."""
    whose = {"reference": f"Patient/{patient['id']}"}
    base = {"resourceType": "Observation", "status": "final", "subject": whose}
    cells = {"value": Decimal("0.3"), "unit": "%"}
    return [
        _marked(
            {**base, "id": f"{patient['id']}-text-1", "code": concept(text="immature cells"), "valueQuantity": cells}
        ),
        _marked({**base, "id": f"{patient['id']}-text-2", "code": concept(text="comment:"), "valueString": "see note"}),
    ]


def _marked(resource: Resource) -> Resource:
    practice = {"url": _EXTENSIONS + "ah-practice", "valueReference": {"reference": "Organization/a-1.Practice-1"}}
    group = {"url": _EXTENSIONS + "ah-chart-sharing-group", "valueReference": {"reference": "Organization/a-1.CSG-1"}}
    plain = without(resource, "extension", "contained")
    within = {"contained": resource["contained"]} if resource.get("contained") else {}
    return present({**plain, **within, "extension": [*resource.get("extension", ()), practice, group]})
