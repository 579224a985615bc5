"""The quick way of reading: what it must leave to the careful way, and what must not throw a value off it."""

import json
from typing import Any

import pytest

from fhir_adapters.fhir_versions.version_elements import ROWS, Row
from fhir_adapters.reading import envelope
from fhir_adapters.reading.shapes import TYPES
from tests.fixtures import fhir
from tests.fixtures.fhir import Json, bundle, raw

# Where an element stands that a row looks for inside of another.
INSIDE: dict[bytes, Any] = {
    b'"agent"': {"agent": {}},
    b'"actor"': [{"actor": {}}],
    b'"value"': [{"value": []}],
    b'"item"': [{"item": {}}],
    b'"amount"': [{"amount": {}}],
    b'"periodUnits"': [{"timing": {"repeat": {"periodUnits": "d"}}}],
    b'"quantityQuantity"': [{"quantityQuantity": {}}],
    b'"asNeeded"': [{"asNeeded": True}],
    b'"asNeededFor"': [{"asNeededFor": []}],
    b'"doseQuantity"': [{"doseQuantity": {}}],
}
SHAPES: dict[bytes, Any] = {b"{": {}, b"[": [], b'"': "x", b"": {}}
FOREIGN = [(kind, row) for kind, rows in ROWS.items() for row in rows if "R4" not in row.versions]


def _written(row: Row) -> Any:
    if row.holds:
        return INSIDE[row.holds]
    return SHAPES[row.begins] if row.begins in SHAPES else json.loads(row.begins)


def _quickly(value: object) -> bool:
    """Tell whether all of a value was read quickly."""
    opened = envelope.open_file(raw(value))
    return not opened.entries


@pytest.mark.parametrize(("kind", "row"), FOREIGN, ids=lambda one: one if isinstance(one, str) else one.element)
def test_every_element_of_another_version_is_left_to_care(kind: str, row: Row) -> None:
    """No resource with an element, shape or code that R4 does not have is read quickly."""
    resource = {"resourceType": kind, "id": "x", row.element: _written(row)} | {"resourceType": kind}
    assert not _quickly(resource)
    assert not _quickly(bundle(fhir.patient(), resource))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("changes", [{"implicitRules": "urn:x"}, {"modifierExtension": []}, {"id": 7}])
def test_what_changes_a_meaning_is_left_to_care(kind: str, changes: Json) -> None:
    """Neither unknown rules nor modifiers nor what does not fit are read quickly, however their names are written."""
    value = raw({"resourceType": kind, "id": "x", **changes})
    assert envelope.open_file(value).entries
    assert envelope.open_file(value.replace(b"implicitRules", b"implicitRule\\u0073")).entries


@pytest.mark.parametrize(
    "kind", ["Practitioner", "Provenance", "EpisodeOfCare", "ServiceRequest", "Specimen", "Location"]
)
def test_what_searches_include_is_passed_over(kind: str) -> None:
    """A type that we do not touch does not throw a Bundle off the quick way, whatever it holds."""
    other = {"resourceType": kind, "id": 7, "modifierExtension": [{"url": "urn:x"}], "status": {}}
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
    found = bundle(fhir.patient(), other, outcome, fhir.observation(), type="searchset")
    found["entry"].append({"response": {"status": "204"}})
    assert _quickly(found)


def test_one_odd_entry_throws_only_itself_off() -> None:
    """Beside an entry that needs care, all others of the Bundle, the list or the lines are read quickly."""
    odd = fhir.observation("odd", valueQuantity={"value": "139.5"})
    plain = [fhir.patient(), *(fhir.observation(f"o{place}") for place in range(5))]
    for value in (raw(bundle(*plain, odd)), raw([*plain, odd]), b"\n".join(map(raw, [*plain, odd]))):
        opened = envelope.open_file(value)
        assert len(opened.entries) == 1
        assert opened.count() == 7
