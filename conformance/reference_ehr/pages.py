"""The pages of the reference EHR, as plain HTML: what it is, charts, and the choice of user and patient."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

from conformance.reference_ehr.discovery import WHAT_IT_IS_NOT
from conformance.reference_ehr.oauth import Ask
from conformance.reference_ehr.patients import Account, Person
from conformance.reference_ehr.refusals import Json
from conformance.reference_ehr.search import values

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;"
    "padding:1rem;color:CanvasText;background:Canvas}h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.2rem 0 .3rem}"
    "header{border-bottom:3px double;padding-bottom:.3rem}ul{padding-left:1.2rem}li{margin:.3rem 0}"
    "code{overflow-wrap:anywhere}"
)
CHART_TYPES = (
    "Condition",
    "MedicationRequest",
    "MedicationOrder",
    "MedicationStatement",
    "AllergyIntolerance",
    "Observation",
)


def front(root: str, people: Iterable[Person]) -> str:
    """Return the front page: what this is and is not, and the patients."""
    items = "".join(_patient_item(person) for person in people)
    return _page(
        "Reference EHR (synthetic)",
        f"<p>{escape(WHAT_IT_IS_NOT)}</p><p>FHIR base <code>{escape(root)}/fhir</code> "
        "(<a href='/fhir/metadata'>CapabilityStatement</a>, "
        "<a href='/fhir/.well-known/smart-configuration'>SMART configuration</a>, "
        f"<a href='/jwks.json'>keys</a>)</p><h2>Patients, none of whom exists</h2><ul>{items}</ul>",
    )


def _patient_item(person: Person) -> str:
    name = escape(full_name(person.resources[0]))
    return f"<li><a href='/charts/{escape(person.id)}'>{name}</a>: {escape(person.expects)}</li>"


def chart(person: Person, resources: Mapping[str, Iterable[Json]]) -> str:
    """Return one patient's record in words, newest first within each kind."""
    patient = person.resources[0]
    parts = [f"<p>{escape(person.note)}</p><p>{escape(patient['gender'])}, born {escape(patient['birthDate'])}</p>"]
    for name, found in resources.items():
        lines = sorted((line(resource) for resource in found), reverse=True)
        rows = "".join(f"<li><small>{escape(day)}</small> {escape(text)}</li>" for day, text in lines)
        parts.append(f"<h2>{escape(name)}</h2><ul>{rows or '<li>none</li>'}</ul>")
    return _page(full_name(patient), "".join(parts) + "<p><a href='/'>All patients</a></p>")


def choice(ask: Ask, accounts: Iterable[Account], people: Iterable[Person]) -> str:
    """Return the login page, or the page that asks for a patient; every choice is a link."""
    if ask.what == "user":
        options = [("login_hint", a.username, f"{a.display}: {a.role}") for a in accounts]
        app = ask.query.get("client_id", "an app")
        title, text = "Who are you?", f"The app {app} asks. There are no passwords: choose a synthetic user."
    else:
        options = [("patient", p.id, full_name(p.resources[0])) for p in people]
        title, text = "Which patient?", "The app asked for a patient."
    items = "".join(
        f"<li><a href='/authorize?{escape(urlencode({**ask.query, key: value}))}'>{escape(label)}</a></li>"
        for key, value, label in options
    )
    return _page(title, f"<p>{escape(text)}</p><ul>{items}</ul>")


def full_name(resource: Json) -> str:
    """Return the name of a Patient or Practitioner."""
    name = resource["name"][0]
    return " ".join([*name.get("prefix", []), *name["given"], name["family"]])


def line(resource: Json) -> tuple[str, str]:
    """Return (date, text) of one chart resource."""
    dates = ("effectiveDateTime", "onsetDateTime", "authoredOn", "dateWritten", "recordedDate", "dateAsserted")
    day = next((resource[key][:10] for key in dates if key in resource), "no date")
    named = resource.get("medication", {}).get("concept")  # R5
    concept: Json = resource.get("code") or resource.get("medicationCodeableConcept") or named or {}
    concept = concept or resource.get("substance", {})  # DSTU2
    text = _text(concept) or next(values(resource, "contained.code.text"), "") or _display(resource)
    result = _result(resource)
    status = f" ({resource['status']})" if "status" in resource and resource["status"] != "final" else ""
    return day, f"{text}{': ' + result if result else ''}{status}"


def _text(concept: Json) -> str:
    return concept.get("text") or next(values(concept, "coding.display"), "")


def _display(resource: Json) -> str:
    return resource.get("medicationReference", {}).get("display", resource["resourceType"])


def _result(resource: Json) -> str:
    parts = [resource, *resource.get("component", [])]
    return "/".join(filter(None, map(_value, parts)))


def _value(part: Json) -> str:
    quantity: Any = part.get("valueQuantity")
    if quantity:
        return f"{quantity['value']} {quantity.get('unit', '')}".strip()
    return _text(part.get("valueCodeableConcept", {}))


def _page(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)}</title><link rel='icon' href='data:,'><style>{_STYLE}</style>"
        "<header>Reference Hospital, synthetic: nobody here exists</header>"
        f"<main><h1>{escape(title)}</h1>{body}</main></html>"
    )
