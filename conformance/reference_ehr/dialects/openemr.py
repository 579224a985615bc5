"""OpenEMR R4: a drug whose code is the word RXCUI, GAD-7 inside a report, vital signs in pounds and inches.

github.com/openemr/openemr issue 9382 (the code is lost to a double prefix) and issue 5967 (the items of a
GAD-7 are contained in a DiagnosticReport, with a display and no code).
"""

from collections import defaultdict
from collections.abc import Sequence

from conformance.reference_ehr.dialects.drugs import drug_of, inlined, with_drug
from conformance.reference_ehr.dialects.elements import (
    LOINC,
    RXNORM,
    Concept,
    Resource,
    Rules,
    code_in,
    coding,
    concept,
    each,
    rewritten,
    without,
    words,
)
from conformance.reference_ehr.dialects.measures import each_value, in_units_of

_GAD7 = frozenset(
    {
        *("70274-6", "69737-5", "69725-0", "68509-9", "69733-4", "69734-2", "69735-9", "69689-8", "69736-7"),
    }
)


def write(resources: Sequence[Resource]) -> list[Resource]:
    """Return the chart as OpenEMR serves it."""
    plain = inlined(resources)
    scored = [one for one in plain if one["resourceType"] == "Observation" and _is_gad7(one)]
    rules: Rules = {
        "Observation": lambda one: () if _is_gad7(one) else (each_value(one, in_units_of("openemr-r4")),),
        "MedicationRequest": each(_order),
        "MedicationStatement": each(_order),
    }
    return [*rewritten(plain, rules), *_reports(scored)]


def _order(order: Resource) -> Resource:
    if "medicationCodeableConcept" not in order:
        return order
    drug: Concept = drug_of(order)
    if code_in(drug, RXNORM) is None:
        return order
    lost = coding(RXNORM, "RXCUI", words(drug) or None)
    return with_drug(order, concept(lost, text=words(drug) or None))


def _is_gad7(observation: Resource) -> bool:
    return code_in(observation.get("code"), LOINC) in _GAD7


def _reports(observations: Sequence[Resource]) -> list[Resource]:
    given: dict[str, list[Resource]] = defaultdict(list)
    for one in observations:
        given[str(one.get("effectiveDateTime", ""))].append(one)
    return [_report(when, given[when]) for when in sorted(given)]


def _report(when: str, items: Sequence[Resource]) -> Resource:
    within = [_item(place, one) for place, one in enumerate(items)]
    head = items[0]
    return {
        "resourceType": "DiagnosticReport",
        "id": f"{head['id']}-report",
        "status": head["status"],
        "code": concept(text="GAD-7"),
        "subject": head["subject"],
        **({"effectiveDateTime": when} if when else {}),
        "contained": within,
        "result": [{"reference": f"#{one['id']}"} for one in within],
    }


def _item(place: int, observation: Resource) -> Resource:
    shown = words(observation.get("code"))
    return {
        **without(observation, "category", "derivedFrom"),
        "id": f"item{place}",
        "code": {"coding": [{"display": shown}]},
    }
