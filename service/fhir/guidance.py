"""One assessment as GuidanceResponse: which module answered on which facts, and the options that it held.

R4 lets ``result`` mean a RequestGroup or a CarePlan only, so the options are a contained RequestGroup of which at
most one is chosen: an action of R4 has a resource (rqg-1) and "no change" has none, so its words describe the group.
``data-requested`` is R4's word for an answer that more data would make better; where data are required and missing
nothing is drafted, so there is no record to answer.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from service.drafts import labels
from service.drafts.decision import decisions
from service.drafts.records import Draft
from service.drafts.signature.provenance import device
from service.errors import NotFound
from service.fhir.records import Head, Record, Subject
from service.fhir.resources import draft_status, instant

if TYPE_CHECKING:
    from service.bootstrap import Services

_FACTS: Final = "https://undersign.dev/fhir/NamingSystem/facts-digest"


class _Context(msgspec.Struct, frozen=True):
    option: str = ""
    kept: str = "No change"
    unknowns: list[str] = []
    versions: dict[str, str] = {}


async def read(services: "Services", ehr: str, ident: str) -> Record:
    """Return an assessment by the id of its first draft; NotFound U-DRAFT-UNKNOWN, U-FHIR-UNKNOWN."""
    draft = await decisions.own_draft(services, ehr, ident)
    for found in of_drafts(services, await services.store.find(ehr=ehr, patient=draft.patient)):
        if found.head.id == ident:
            return found
    raise NotFound("U-FHIR-UNKNOWN", "There is no such GuidanceResponse; search by patient.")


def of_drafts(services: "Services", drafts: Sequence[Draft]) -> list[Record]:
    """Return the assessments that drafts were held by, the newest first; each by the id of its first draft."""
    held = sorted(drafts, key=lambda one: (one.ehr, one.patient, one.facts, one.created, one.rank))
    groups = groupby(held, key=attrgetter("ehr", "patient", "facts", "created"))
    found = [tuple(group) for _, group in groups]
    found.sort(key=lambda group: group[0].created, reverse=True)
    return [_record(services, group) for group in found]


def _record(services: "Services", drafts: Sequence[Draft]) -> Record:
    first, base = drafts[0], services.tenant(drafts[0].ehr).fhir_base.rstrip("/")
    known = [msgspec.json.decode(one.context, type=_Context) for one in drafts]
    versions, unknowns = known[0].versions, known[0].unknowns
    subject, public_url = {"reference": f"{base}/{first.patient}"}, services.settings.server.public_url
    status = "data-requested" if unknowns else "success"
    resource: dict[str, Any] = {
        "resourceType": "GuidanceResponse",
        "id": first.id,
        **labels.meta(labels.inherited(first.resource), lastUpdated=instant(first.created)),
        "contained": [_options(drafts, known, subject)],
        "identifier": [{"system": _FACTS, "value": first.facts}],
        "moduleUri": f"{public_url}/model-card|{_version(versions)}",
        "status": status,
        "subject": subject,
        "occurrenceDateTime": instant(first.created),
        "performer": device(public_url),
        "note": [{"text": f"{part} {version}"} for part, version in sorted(versions.items())]
        + [{"text": text} for text in unknowns],
        "result": {"reference": "#options"},
    }
    head = Head(id=first.id, status=status, subject=Subject(first.patient))
    return Record("GuidanceResponse", head, 1, {name: value for name, value in resource.items() if value})


def _version(versions: dict[str, str]) -> str:
    """Return the model's version; the knowledge's for what no model ranked."""
    model = versions.get("model", "none")
    return versions.get("knowledge", "unknown") if model == "none" else model


def _options(drafts: Sequence[Draft], known: Sequence[_Context], subject: dict[str, str]) -> dict[str, Any]:
    unsigned = any(draft_status(one.state) == "draft" for one in drafts)
    actions: list[dict[str, Any]] = [
        {"title": context.option or draft.ingredient, "resource": {"reference": f"MedicationRequest/{draft.id}"}}
        for draft, context in zip(drafts, known, strict=True)
    ]
    return {
        "resourceType": "RequestGroup",
        "id": "options",
        "status": "active" if unsigned else "completed",
        "intent": "proposal",
        "subject": subject,
        "action": [
            {"description": f"Or no change: {known[0].kept}", "selectionBehavior": "at-most-one", "action": actions}
        ],
    }
