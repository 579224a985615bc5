"""How a dialect sends resources: one Bundle, pages of a search, NDJSON."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from conformance.reference_ehr.dialects.elements import Resource, coding, concept

BASE = "https://reference-ehr.example/fhir"
PAGE = 50
_WHEN = "2026-01-01T00:00:00Z"
_SECTIONS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "48765-2": ("Allergies", "Allergies and adverse reactions Document", ("AllergyIntolerance",)),
    "10160-0": ("Medications", "History of Medication use Narrative", ("MedicationStatement", "MedicationRequest")),
    "11450-4": ("Problems", "Problem list - Reported", ("Condition",)),
    "30954-2": ("Results", "Relevant diagnostic tests/laboratory data Narrative", ("Observation",)),
}


def searchset(resources: Sequence[Resource], *, total: bool, outcome: bool, base: str = BASE) -> Resource:
    """Return one Bundle of a search; ``outcome`` puts an OperationOutcome among the entries, as Epic does."""
    entries = [_entry(one, base) for one in resources]
    if outcome:
        entries.append({"resource": notice(), "search": {"mode": "outcome"}})
    counted = {"total": _matches(resources)} if total else {}
    return {"resourceType": "Bundle", "type": "searchset", **counted, "entry": entries}


def paged(resources: Sequence[Resource], *, total: bool, outcome: bool, base: str = BASE) -> list[Resource]:
    """Return the pages of a search, each but the last with a ``next`` link."""
    pages: list[Resource] = []
    for start in range(0, max(len(resources), 1), PAGE):
        page = searchset(resources[start : start + PAGE], total=False, outcome=outcome, base=base)
        counted = {"total": _matches(resources)} if total else {}
        following = [{"relation": "next", "url": f"{base}?page={start // PAGE + 2}"}]
        pages.append({**page, **counted, **({"link": following} if start + PAGE < len(resources) else {})})
    return pages


def document(resources: Sequence[Resource]) -> Resource:
    """Return an IPS document: a Composition first, every reference by ``urn:uuid`` of an entry."""
    names = {f"{one['resourceType']}/{one['id']}": _urn(one) for one in resources if "id" in one}
    whole = [_composition(resources), *deepcopy(list(resources))]
    entries = [{"fullUrl": _urn(one), "resource": _renamed(one, names)} for one in whole]
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid5(NAMESPACE_URL, BASE)}"},
        "timestamp": _WHEN,
        "entry": entries,
    }


def lines(resources: Sequence[Resource]) -> bytes:
    """Return NDJSON, one resource a line."""
    return b"".join(dumped(one) + b"\n" for one in resources)


def dumped(value: Any) -> bytes:
    """Return JSON without blanks; decimals as numbers."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_number).encode()


def notice() -> Resource:
    """Return what Epic puts behind every result: nothing is wrong, but a person may not see everything.

    Severity and code as in published copies of its answers (code 4119).
    """
    said = (
        "This response includes information available to the authorized user at the time of the request. It may "
        "not contain the entire record available in the system."
    )
    details = concept(coding("urn:oid:1.2.840.114350.1.13.1.1.7.2.657369", "4119", said), text=said)
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "processing", "details": details}],
    }


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() and "." not in str(value)
        return int(value) if whole else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _matches(resources: Sequence[Resource]) -> int:
    """Return how many were searched for: what is included does not count (R4 bundle.html, Bundle.total)."""
    return sum(one["resourceType"] != "Medication" for one in resources)


def _entry(resource: Resource, base: str) -> Resource:
    address = {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}"} if "id" in resource else {}
    mode = "include" if resource["resourceType"] == "Medication" else "match"
    return {**address, "resource": resource, "search": {"mode": mode}}


def _urn(resource: Resource) -> str:
    address = f"{BASE}/{resource['resourceType']}/{resource.get('id', '')}"
    return f"urn:uuid:{uuid5(NAMESPACE_URL, address)}"


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        held: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {
            key: names.get(part, part) if key == "reference" else _renamed(part, names) for key, part in held.items()
        }
    if isinstance(value, list):
        parts: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_renamed(part, names) for part in parts]
    return value


def _composition(resources: Sequence[Resource]) -> Resource:
    patient = next((one for one in resources if one["resourceType"] == "Patient"), {"id": "unknown"})
    sections = [_section(code, resources) for code in _SECTIONS]
    return {
        "resourceType": "Composition",
        "id": "summary",
        "status": "final",
        "type": concept(coding("http://loinc.org", "60591-5", "Patient summary Document")),
        "subject": {"reference": f"Patient/{patient['id']}"},
        "date": _WHEN,
        "author": [{"display": "Reference Hospital (synthetic)"}],
        "title": "International Patient Summary",
        "section": sections,
    }


def _section(code: str, resources: Sequence[Resource]) -> Resource:
    title, display, kinds = _SECTIONS[code]
    entries = [{"reference": f"{one['resourceType']}/{one['id']}"} for one in resources if one["resourceType"] in kinds]
    section = {"title": title, "code": concept(coding("http://loinc.org", code, display))}
    nothing = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">No information</div>'}
    return {**section, "entry": entries} if entries else {**section, "text": nothing}
