"""A practitioner asks for a psychiatrist instead of signing: the draft of a referral, and a line in the audit chain.

R4 ServiceRequest, http://hl7.org/fhir/R4/servicerequest.html: ``draft`` and ``proposal``, nothing that is sent. It is
answered and not kept: who asked for it orders the referral in the EHR. The audit has its id and digest, no words.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from service import telemetry
from service.drafts.canonical_json import digest, dumps, instant, load_object
from service.drafts.commit import checks
from service.drafts.decision import decisions
from service.drafts.order import dosages
from service.drafts.records import Draft
from service.drafts.signature import order_gate, orders
from service.smart.practitioner import Practitioner

if TYPE_CHECKING:
    from service.bootstrap import Services

# SNOMED CT 3457005 as guides have it for a referral (ANCThesis IG, value set ServiceRequestCodes); the specialist by
# the NUCC taxonomy (service/data/prescriber_roles.csv).
_REFERRAL: Final = {"system": "http://snomed.info/sct", "code": "3457005", "display": "Patient referral"}
_PSYCHIATRIST: Final = {
    "system": "http://nucc.org/provider-taxonomy",
    "code": "2084P0800X",
    "display": "Psychiatry Physician",
}
_SOON: Final = frozenset({"now", "today"})


async def refer(services: "Services", draft_id: str, practitioner: Practitioner, token: str) -> bytes:
    """Return the draft of a referral to psychiatry for an unsigned draft's patient; the draft stays as it is.

    Forbidden U-SIGNER-*; Conflict U-DRAFT-*; EhrFailed when the EHR cannot say whether the practitioner may prescribe.
    """
    draft = await decisions.own_draft(services, practitioner.ehr, draft_id)
    now = await services.store.now()
    checks.unsigned(draft, now)
    await services.clients[draft.ehr].practitioner_may_prescribe(practitioner.reference, token)
    resource = referral(draft, practitioner, services.settings.server.public_url, now)
    order_gate.check_model(resource)
    raw = dumps(resource)
    detail = {"referral": resource["id"], "digest": digest(raw), "assertion": decisions.assertion(practitioner)}
    await services.store.note(draft.id, "referred", practitioner.reference, detail)
    telemetry.log().info("referred", draft=draft.id, ehr=draft.ehr)
    return raw


def referral(draft: Draft, practitioner: Practitioner, public_url: str, now: datetime) -> dict[str, Any]:
    """Return the ServiceRequest, with what the assessment says to tell a psychiatrist as its reasons."""
    resource, told = load_object(draft.resource), _told(load_object(draft.context))
    found: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": str(uuid4()),
        "meta": {"security": [orders.AI_ASSERTED]},
        "status": "draft",
        "intent": "proposal",
        "priority": "urgent" if any(one.get("urgency") in _SOON for one in told) else "routine",
        "code": {"coding": [_REFERRAL], "text": "Referral to a psychiatrist"},
        "subject": {"reference": resource["subject"]["reference"]},
        "authoredOn": instant(now),
        "requester": orders.named(practitioner),
        "performerType": {"coding": [_PSYCHIATRIST]},
        "reasonCode": [{"text": str(one["reason"])} for one in told if one.get("reason")],
        "reasonReference": resource.get("reasonReference"),
        "supportingInfo": [{"reference": orders.draft_reference(public_url, draft.id, draft.version)}],
    }
    return {name: value for name, value in found.items() if value}


def _told(context: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = map(dosages.mapping, dosages.sequence(context.get("to_tell")))
    return [one for one in found if one.get("to") == "psychiatrist"]
