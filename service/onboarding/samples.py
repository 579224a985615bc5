"""Answers as this configuration gives them for a synthetic chart: what a hospital sees before its first real call."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import msgspec

from service.bootstrap import Services
from service.cds.discovery import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW
from service.errors import operation_outcome
from service.onboarding import dry_run
from service.onboarding.dry_run import DryRun
from service.settings import Ehr

Json = dict[str, Any]
DAY = datetime(2026, 11, 22, 12, tzinfo=UTC)  # the chart's scores are recent on this day
_PATIENT = "warm-up"
_SELF_HARM = "44260-8"  # LOINC, PHQ-9 question 9


@dataclass(frozen=True, slots=True)
class Sample:
    """A title, and the body that answers a call: cards, or an OperationOutcome."""

    title: str
    body: Json


def samples(ehr: Ehr, services: Services) -> tuple[Sample, ...]:
    """Return one answer of each kind. ``services`` have ``DAY`` for a clock."""
    chart: Json = msgspec.json.decode((files("service") / "data" / "warm_up.json").read_bytes())
    phenelzine = _order("phenelzine", 15)
    asked: Sequence[tuple[str, Json]] = (
        ("patient-view: options to review", _request(PATIENT_VIEW, chart)),
        ("order-select: a drug that this chart speaks against", _request(ORDER_SELECT, chart, phenelzine)),
        ("order-sign: the same order, about to be signed", _request(ORDER_SIGN, chart, phenelzine)),
        ("patient-view: an answer on self-harm", _request(PATIENT_VIEW, _with_self_harm(chart))),
        ("patient-view: nothing sent and nothing readable", _request(PATIENT_VIEW, {})),
    )
    return tuple(Sample(title, body(dry_run.run(ehr, msgspec.json.encode(one), services))) for title, one in asked)


def body(found: DryRun) -> Json:
    """Return the body that a call is answered with, as plain JSON values."""
    answer = operation_outcome(found.error) if found.error else {"cards": [found.card] if found.card else []}
    return msgspec.json.decode(msgspec.json.encode(answer))


def _request(hook: str, prefetch: Json, *orders: Json) -> Json:
    context: Json = {"patientId": _PATIENT, "userId": "Practitioner/sample"}
    if orders:
        context["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": one} for one in orders]}
    if hook == ORDER_SELECT:
        context["selections"] = [f"MedicationRequest/{one['id']}" for one in orders]
    instance = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
    return {"hook": hook, "hookInstance": instance, "context": context, "prefetch": prefetch}


def _order(drug: str, mg: float) -> Json:
    once = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    dose = {"doseQuantity": {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}}
    return {
        "resourceType": "MedicationRequest",
        "id": "sample-order",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{_PATIENT}"},
        "medicationCodeableConcept": {"text": drug},
        "dosageInstruction": [{"timing": once, "doseAndRate": [dose]}],
    }


def _with_self_harm(chart: Json) -> Json:
    changed = deepcopy(chart)
    for entry in changed["scores"]["entry"]:
        if entry["resource"]["code"]["coding"][0]["code"] == _SELF_HARM:
            entry["resource"]["valueQuantity"]["value"] = 3
    return changed
