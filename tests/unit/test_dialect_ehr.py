"""The reference EHR in a dialect: what it fills in, how it pages, what it finds, and its own pages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from conformance.reference_ehr import dialects, prefetch
from conformance.reference_ehr.ehr import ReferenceEhr, build
from conformance.reference_ehr.search import bundle, search
from conformance.reference_ehr.server import create_app


def _ehr(dialect: str) -> ReferenceEhr:
    return build("http://127.0.0.1:18901", clock=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC), dialect=dialect)


def _prefetch(dialect: str, **templates: str) -> dict[str, Any]:
    ehr = _ehr(dialect)
    context = {"patientId": "amara-osei", "userId": "Practitioner/dr-lindqvist"}
    return prefetch.fill(ehr.store, ehr.base, templates, context, ehr.dialect)[0]


@pytest.mark.parametrize(
    ("dialect", "template"),
    [
        ("base-dstu2", "MedicationRequest?patient={{context.patientId}}"),
        ("base-dstu2", "Consent?patient={{context.patientId}}"),
        ("epic-r4", "MedicationStatement?patient={{context.patientId}}"),
        ("ips", "Consent?patient={{context.patientId}}"),
    ],
)
def test_the_ehr_does_not_fill_what_it_does_not_have(dialect: str, template: str) -> None:
    """A key for a type that the dialect lacks is left out: an empty answer would say that there is nothing."""
    assert _prefetch(dialect, lacking=template) == {}
    assert "lacking" in _prefetch("base-r4", lacking=template)


def test_the_ehr_pages_and_counts_as_its_dialect_does() -> None:
    """athenahealth gives fifty at most and no total; Epic puts an OperationOutcome behind its results."""
    athena, epic = _ehr("athenahealth-r4"), _ehr("epic-r4")
    found = search(athena.store, athena.base, "Observation", [("_count", "200")])
    page = bundle(athena.store, athena.base, "Observation", found, (), athena.dialect)
    assert (len(page["entry"]), "total" in page, page["link"][-1]["relation"]) == (50, False, "next")
    found = search(epic.store, epic.base, "Condition", [("patient", "amara-osei")])
    last = bundle(epic.store, epic.base, "Condition", found, (), epic.dialect)["entry"][-1]
    assert (last["resource"]["resourceType"], last["search"]["mode"]) == ("OperationOutcome", "outcome")


def test_dstu2_orders_are_found_under_their_own_name() -> None:
    """A DSTU2 chart's drugs are MedicationOrders of the patient, and its problems are found by patient."""
    ehr = _ehr("base-dstu2")
    for kind in ("MedicationOrder", "Condition", "AllergyIntolerance"):
        assert search(ehr.store, ehr.base, kind, [("patient", "amara-osei")]).matches


@pytest.mark.parametrize("dialect", dialects.names())
def test_every_chart_has_a_page_in_every_dialect(dialect: str) -> None:
    """The EHR's own page of a chart names the drug that the patient takes, whatever shape it has."""
    page = TestClient(create_app(_ehr(dialect))).get("/charts/daniel-okafor")
    assert page.status_code == 200
    assert "Lithium carbonate" in page.text
