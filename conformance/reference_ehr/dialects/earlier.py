"""What DSTU2 and STU3 share against R4: code systems, dosages, dates and values under older names.

Sources: http://hl7.org/fhir/DSTU2/, http://hl7.org/fhir/STU3/ and http://hl7.org/fhir/R4/diff.html.
"""

from typing import Any

from conformance.reference_ehr.dialects.drugs import period_of
from conformance.reference_ehr.dialects.elements import (
    Concept,
    Resource,
    coding,
    concept,
    first,
    first_code,
    present,
    without,
)

_R4_SYSTEMS = "http://terminology.hl7.org/CodeSystem/"
_GROUPS = {"v2-": "http://hl7.org/fhir/v2/", "v3-": "http://hl7.org/fhir/v3/"}


def old_systems(value: Any) -> Any:
    """Return any element with the code systems that moved to terminology.hl7.org at R4 under their old addresses."""
    if isinstance(value, dict):
        held: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {name: _old(part) if name == "system" else old_systems(part) for name, part in held.items()}
    if isinstance(value, list):
        parts: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [old_systems(part) for part in parts]
    return value


def _old(system: Any) -> Any:
    if not isinstance(system, str) or not system.startswith(_R4_SYSTEMS):
        return system
    name = system.removeprefix(_R4_SYSTEMS)
    for group, address in _GROUPS.items():
        if name.startswith(group):
            return address + name.removeprefix(group)
    return f"http://hl7.org/fhir/{name}"


def flat_dosage(dosage: Resource) -> Resource:
    """Return a dosage with the dose beside the rest: ``doseAndRate`` came with R4."""
    given: Resource = first(dosage.get("doseAndRate")) or {}
    return {**without(dosage, "doseAndRate"), **without(given, "type", "id", "extension")}


def code_of(value: Concept | None, renamed: dict[str, str] | None = None) -> str | None:
    """Return the code of a status that R4 has as a concept."""
    code = first_code(value)
    return (renamed or {}).get(code, code) if code else None


def one_note(resource: Resource) -> str | None:
    """Return the notes of an R4 resource as the one text that older versions have."""
    return " ".join(str(note["text"]) for note in resource.get("note", ())) or None


def old_value(value: Resource) -> Resource:
    """Return an Observation or component without the kinds of value that came with R4."""
    if "valueInteger" in value:
        return {**without(value, "valueInteger"), "valueQuantity": {"value": value["valueInteger"]}}
    return value


def old_interpretation(value: Resource) -> Resource:
    """Return a value with its one interpretation; R4 has a list."""
    return present({**value, "interpretation": first(value.get("interpretation"))})


def related(observation: Resource, derived: str, member: str) -> list[Resource]:
    """Return the relations of an Observation: R4 has two elements for them."""
    return [
        *({"type": derived, "target": one} for one in observation.get("derivedFrom", ())),
        *({"type": member, "target": one} for one in observation.get("hasMember", ())),
    ]


def is_reported(order: Resource) -> bool:
    """Say whether an R4 MedicationRequest reports what is taken: older versions have a statement for that."""
    return bool(order.get("reportedBoolean") or order.get("intent") == "plan")


def as_statement(order: Resource) -> Resource:
    """Return a reported R4 MedicationRequest as the R4 MedicationStatement that says the same."""
    dosages = order.get("dosageInstruction", [])
    kept = without(order, "intent", "reportedBoolean", "authoredOn", "requester", "dosageInstruction", "category")
    return present(
        {
            **without(kept, "dispenseRequest", "priority"),
            "resourceType": "MedicationStatement",
            "effectivePeriod": period_of(order),
            "dosage": dosages or None,
        }
    )


def gender_of(relative: Resource) -> Resource:
    """Return a FamilyMemberHistory whose ``sex`` concept is the ``gender`` code that it was before R4."""
    return present({**without(relative, "sex"), "gender": first_code(relative.get("sex"))})


def yes_or_no(answer: bool) -> Concept:
    """Return a boolean as DSTU2 has it: HL7 table 0136, http://hl7.org/fhir/DSTU2/v2/0136/."""
    code, display = ("Y", "Yes") if answer else ("N", "No")
    return concept(coding("http://hl7.org/fhir/v2/0136", code, display))
