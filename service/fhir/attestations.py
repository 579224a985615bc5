"""``Patient/$attest``, and what was attested as Procedure: a suicide risk assessment that a practitioner made.

FHIR keeps an assessment that somebody performed as Procedure (R4: "an action that is or was performed on or for a
patient"). Its outcome is what the practitioner decides about drafting; there is no score of risk in it.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.drafts.decision import attesting
from service.drafts.decision.attesting import REVIEWERS, Reviewer, Word
from service.drafts.flags import RESULTS, Attested, Flag
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
# SNOMED CT, "Suicide risk assessment (procedure)"; so used in HL7 QI-Core's measure CMS177 and the SPiER guide.
_ASSESSMENT: Final = {
    "system": "http://snomed.info/sct",
    "code": "225337009",
    "display": "Suicide risk assessment (procedure)",
}
RESULT_SYSTEM: Final = "https://undersign.dev/fhir/CodeSystem/attestation-result"
_DISPLAYS: Final = {"may-open": "Drafting may open again", "stays-closed": "Drafting stays closed"}
_TAKES: Final = {
    "assessed": "valueDateTime",
    "result": "valueCode",
    "reviewer": "valueCode",
    "reviewOn": "valueDate",
}


@router.post("/$attest")
async def attest(ident: str, request: Request) -> Response:
    """Record that this practitioner assessed the patient's suicide risk, and answer it as Procedure."""
    services: Services = request.app.state.services
    user = await tokens.user(request, services)
    word = _word(await parameters.read(request, services, _TAKES))
    patient = services.clients[user.practitioner.ehr].relative(f"Patient/{ident}")
    await chart.person(services, user, patient, Asked(patient, "operation", name="$attest"))
    found = await attesting.attest(services, patient, user.practitioner, user.token, word)
    flag = await services.store.flag(found.flag)
    headers = {"ETag": 'W/"1"', "Location": f"{services.settings.server.public_url}/fhir/Procedure/{found.id}"}
    resource = of_attestation(services, flag, found).resource
    return Response(encode(resource), 201, media_type="application/fhir+json", headers=headers)


async def read(services: "Services", ehr: str, ident: str) -> Record:
    """Return one attestation; NotFound U-FLAG-UNKNOWN, for another tenant's too."""
    flag, found = await services.store.attestation(ident)
    if flag.ehr != ehr:
        raise NotFound("U-FLAG-UNKNOWN", "nothing is on record under this id; search by patient")
    return of_attestation(services, flag, found)


async def of_patient(services: "Services", ehr: str, patient: str) -> list[Record]:
    """Return what was attested of a patient, the newest assessment first."""
    flag = await services.store.flag_of(ehr, patient)
    if flag is None:
        return []
    found = await services.store.attestations(ehr, patient)
    return [of_attestation(services, flag, one) for one in reversed(found)]


def of_attestation(services: "Services", flag: Flag, found: Attested) -> Record:
    """Return an attestation as Procedure; people are references at the EHR."""
    base = services.clients[flag.ehr].ehr.fhir_base.rstrip("/")
    who = {"reference": f"{base}/{found.practitioner}"} | ({"display": found.display} if found.display else {})
    subject = {"reference": f"{base}/{flag.patient}"}
    outcome = {"system": RESULT_SYSTEM, "code": found.result, "display": _DISPLAYS[found.result]}
    resource: dict[str, Any] = {
        "resourceType": "Procedure",
        "id": found.id,
        "meta": {"versionId": "1", "lastUpdated": instant(found.recorded)},
        "status": "completed",
        "code": {"coding": [_ASSESSMENT], "text": "Suicide risk assessment, attested"},
        "subject": subject,
        "performedDateTime": instant(found.assessed),
        "recorder": who,
        "performer": [{"actor": who}],
        "outcome": {"coding": [outcome]},
        "followUp": [{"text": f"Review by {found.review_by} on {found.review_on.isoformat()}"}],
    }
    head = Head(id=found.id, status="completed", subject=Subject(flag.patient))
    return Record("Procedure", head, 1, resource)


def _word(given: dict[str, list[Any]]) -> Word:
    lacking = [name for name in _TAKES if not given[name]]
    if lacking:
        raise parameters.bad(f"$attest needs {', '.join(f'{name} ({_TAKES[name]})' for name in lacking)}")
    result, reviewer = given["result"][0], given["reviewer"][0]
    if result not in RESULTS:
        raise parameters.bad(f"result is {' or '.join(RESULTS)}")
    if reviewer not in REVIEWERS:
        raise parameters.bad(f"reviewer is {', '.join(REVIEWERS)}")
    return Word(_instant(given["assessed"][0]), result, cast(Reviewer, reviewer), _date(given["reviewOn"][0]))


def _instant(text: str) -> datetime:
    """Return an instant; a day alone would not say whether an answer of that day came before."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or "T" not in text:
        raise parameters.bad("assessed is a dateTime with time and zone, such as 2026-11-22T10:42:00Z")
    return found


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise parameters.bad("reviewOn is a day, such as 2026-11-29") from error
