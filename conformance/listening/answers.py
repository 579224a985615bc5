"""What the listening service says: its discovery, a test card, and each refusal of the trials."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from conformance.listening.plan import Step
from fhir_adapters.survey.wanted import templates

RETRY_AFTER_S = 2
SHOWN = "/shown"  # where the card's link leads
# As the service announces them; a test compares them.
SERVICES: Mapping[str, str] = {
    "psychotropic-options": "patient-view",
    "psychotropic-order-select": "order-select",
    "psychotropic-order-sign": "order-sign",
}
# HL7 cds-hooks 3.0.0-ballot, CodeSystem-non-adherence-reason-codes: code and display as published there.
_REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
_OVERRIDES = {
    "prefers-alternative": "Patient prefers an alternative approach or treatment",
    "patient-contraindication": "Patient has contraindication to recommended action",
}
_REFUSED: Mapping[Step, tuple[int, str, str]] = {
    "precondition": (412, "required", "trial of 412: data that are required were neither sent nor readable"),
    "unavailable": (503, "transient", f"trial of 503: come again in {RETRY_AFTER_S} seconds"),
    "too-many": (429, "throttled", f"trial of 429: come again in {RETRY_AFTER_S} seconds"),
    "error": (500, "exception", "trial of 500"),
}
_DETAIL = """**This is a test of the connection.** It says nothing about the patient.

| shown as | if |
|---|---|
| a table | Markdown works |
| äöü ñ ≥ | Unicode works |

Use the link, then take the suggestion, or override the card with a reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; ``after_s`` is waited before it is given."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    after_s: float = 0.0


def discovery() -> Answer:
    """Return the services, with the templates that a hospital gets of us."""
    prefetch = {one.key: one.template for one in templates()}
    listed = [
        {
            "hook": hook,
            "id": id_,
            "title": "Conformance run",
            "description": f"Listens to {hook} and answers with a test card: it judges what the EHR sends.",
            "version": "2.0.1",
            "prefetch": prefetch,
        }
        for id_, hook in SERVICES.items()
    ]
    return _json(200, {"services": listed})


def to_call(step: Step, public_url: str, slow_s: float) -> Answer:
    """Return the answer to a hook call at this step."""
    if step in _REFUSED:
        status, code, text = _REFUSED[step]
        headers = {"retry-after": str(RETRY_AFTER_S)} if status in (429, 503) else {}
        return refused(status, code, text, headers)
    cards = [] if step == "empty" else [_card(public_url)]
    return _json(200, {"cards": cards}, slow_s if step == "late" else 0.0)


def refused(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an OperationOutcome."""
    issue = {"severity": "error", "code": code, "details": {"text": text}}
    found = _json(status, {"resourceType": "OperationOutcome", "issue": [issue]})
    return Answer(status, {**found.headers, **(headers or {})}, found.body)


def plain(text: str) -> Answer:
    """Return a page of one sentence."""
    return Answer(200, {"content-type": "text/plain; charset=utf-8"}, text.encode())


def _card(public_url: str) -> dict[str, Any]:
    """Return a card whose suggestion has no action: taking it changes nothing anywhere."""
    return {
        "uuid": str(uuid4()),
        "summary": "Conformance run: the connection works (äöü ñ ≥)",
        "detail": _DETAIL,
        "indicator": "info",
        "source": {"label": "Undersign conformance run", "url": public_url},
        "selectionBehavior": "at-most-one",
        "suggestions": [{"label": "Take this suggestion: it changes nothing", "uuid": str(uuid4())}],
        "links": [{"label": "Open the page of the run", "url": f"{public_url}{SHOWN}", "type": "absolute"}],
        "overrideReasons": [
            {"system": _REASONS, "code": code, "display": display} for code, display in _OVERRIDES.items()
        ],
    }


def _json(status: int, value: object, after_s: float = 0.0) -> Answer:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Answer(status, {"content-type": "application/json"}, body, after_s)
