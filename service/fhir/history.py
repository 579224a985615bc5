"""The versions of a MedicationRequest: ``_history`` and ``_history/{version}`` (R4 vread).

A version is what was written of a draft: held, then edited. Its status is the one that the draft had when the next
version was made, the present one for the last; each change of state in between is in the audit trail. A signed order
has one version, as it was signed; one whose signature was taken back has a second, cancelled.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from service.drafts.decision import decisions
from service.drafts.records import Draft
from service.errors import NotFound
from service.fhir import records
from service.fhir.records import Record
from service.fhir.resources import entry

if TYPE_CHECKING:
    from service.bootstrap import Services

_MADE: Final = frozenset({"held", "edited", "modified"})


async def of(services: "Services", ehr: str, ident: str) -> list[Record]:
    """Return the versions of a draft or a signed order, newest first; NotFound U-FHIR-UNKNOWN."""
    try:
        draft = await decisions.own_draft(services, ehr, ident)
    except NotFound:
        signature = await records.signature(services, ehr, ident)
        ended = (await services.store.read(signature.draft)).state == "revoked"
        return [*([records.of_revoked(signature)] if ended else []), records.of_order(signature)]
    return await _versions(services, draft)


async def version(services: "Services", ehr: str, ident: str, number: str) -> Record:
    """Return one version; NotFound U-FHIR-UNKNOWN, for a version that it never had too."""
    for record in await of(services, ehr, ident):
        if str(record.version) == number:
            return record
    raise NotFound("U-FHIR-UNKNOWN", "There is no such version; read its _history.")


def bundle(found: list[Record], public_url: str, link: str) -> dict[str, Any]:
    """Return a Bundle of type history, newest first."""
    made: list[dict[str, Any]] = []
    for record in found:
        first = record is found[-1]
        request = {"method": "POST" if first else "PUT", "url": record.kind + ("" if first else f"/{record.head.id}")}
        told = {"request": request, "response": {"status": "201" if first else "200", "etag": f'W/"{record.version}"'}}
        made.append({**entry(public_url, record.kind, record.head.id, record.resource), **told})
    links = [{"relation": "self", "url": link}]
    return {"resourceType": "Bundle", "type": "history", "total": len(made), "link": links, "entry": made}


async def _versions(services: "Services", draft: Draft) -> list[Record]:
    revisions, versions, number = await services.store.revisions(draft.id), dict[int, Draft](), 0
    for one in await services.store.history(draft.id):
        number = int(one.detail["version"]) if one.event in _MADE else number
        versions[number] = replace(
            draft, version=number, state=one.detail["state"], updated=one.at, resource=revisions[number]
        )
    return [records.of_draft(versions[number]) for number in sorted(versions, reverse=True)]
