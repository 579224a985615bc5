"""``Patient/$consent``, and what was recorded as Consent: what a patient says about AI suggestions.

The Consent is written as the adapters read one, so that what is recorded here means the same when an EHR keeps it.
"""

from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_adapters.problem.consents import AI_DECISION_SUPPORT
from service.drafts.decision import consenting
from service.drafts.decision.consenting import DECISIONS, TOLD_BY, Word
from service.drafts.registers import Registered
from service.drafts.trail.access import Asked
from service.errors import NotFound
from service.fhir import parameters
from service.fhir.records import Head, Record, Subject
from service.fhir.resources import encode, instant
from service.smart import tokens
from service.web import chart

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter(prefix="/fhir/Patient/{ident}")
_TAKES: Final = {"decision": "valueCode", "toldBy": "valueCode"}
# R4 consent-scope and consent-category value sets (hl7.org/fhir/R4/valueset-consent-category.html).
_SCOPE: Final = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
_CATEGORY: Final = {"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}
_AI: Final = dict(zip(("system", "code"), AI_DECISION_SUPPORT, strict=True))
_POLICY: Final = "https://undersign.dev/policy/ai-decision-support"


@router.post("/$consent")
async def record(ident: str, request: Request) -> Response:
    """Record what the patient says about AI suggestions, and answer it as Consent."""
    services: Services = request.app.state.services
    user = await tokens.user(request, services)
    word = _word(await parameters.read(request, services, _TAKES))
    patient = services.clients[user.practitioner.ehr].relative(f"Patient/{ident}")
    await chart.person(services, user, patient, Asked(patient, "operation", name="$consent"))
    found = of_register(services, await consenting.record(services, patient, user.practitioner, word))
    location = f"{services.settings.server.public_url}/fhir/Consent/{found.head.id}"
    headers = {"ETag": f'W/"{found.version}"', "Location": location}
    return Response(encode(found.resource), 201, media_type="application/fhir+json", headers=headers)


async def read(services: "Services", ehr: str, ident: str) -> Record:
    """Return what holds of one patient; NotFound U-FHIR-UNKNOWN, for another tenant's too."""
    for found in await services.store.registered("consent", ehr=ehr):
        if found.id == ident:
            return of_register(services, found)
    raise NotFound("U-FHIR-UNKNOWN", "There is no such Consent; search by patient.")


async def of_patient(services: "Services", ehr: str, patient: str) -> list[Record]:
    """Return what holds of a patient: one Consent, none where nothing was recorded here."""
    found = await consenting.of_patient(services.store, ehr, patient)
    return [of_register(services, found)] if found else []


def of_register(services: "Services", found: Registered) -> Record:
    """Return a recorded word as Consent; people are references at the EHR."""
    base = services.clients[found.ehr].ehr.fhir_base.rstrip("/")
    word, at = consenting.word(found.entry), instant(found.entry.at)
    patient = {"reference": f"{base}/{found.subject}"}
    provision = {"type": word.decision, "code": [{"coding": [_AI]}]}
    resource: dict[str, Any] = {
        "resourceType": "Consent",
        "id": found.id,
        "meta": {"versionId": str(found.entry.seq), "lastUpdated": at},
        "status": "active",
        "scope": {"coding": [_SCOPE]},
        "category": [{"coding": [_CATEGORY]}],
        "patient": patient,
        "dateTime": at,
        "policy": [{"uri": _POLICY}],
        "verification": [{"verified": True, "verificationDate": at}],
        "provision": provision,
    }
    if word.told_by == "patient":
        resource["performer"] = [patient]
        resource["verification"][0]["verifiedWith"] = patient
    head = Head(id=found.id, status="active", subject=Subject(found.subject))
    return Record("Consent", head, found.entry.seq, resource)


def _word(given: dict[str, list[Any]]) -> Word:
    lacking = [name for name in _TAKES if not given[name]]
    if lacking:
        raise parameters.bad(f"$consent needs {', '.join(f'{name} ({_TAKES[name]})' for name in lacking)}")
    found = consenting.read_word(given["decision"][0], given["toldBy"][0])
    if found is None:
        raise parameters.bad(f"decision is {' or '.join(DECISIONS)}, toldBy is {' or '.join(TOLD_BY)}")
    return found
