"""Where a draft and its order come from, as Provenance: created, signed or rejected, written back or revoked.

The signed one is answered byte for byte as stored; the others are told from the draft's record and its audit chain.
HL7 AI Transparency on FHIR 1.0.0, profile AI-Provenance; the participant ``transmitter`` is US Core's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from service.drafts import labels
from service.drafts.decision import decisions
from service.drafts.records import AuditEntry, Draft, Signature
from service.drafts.signature import provenance
from service.drafts.signature.provenance import ai_agent, ai_asserted, concept, entity, milliseconds, named_by
from service.errors import NotFound
from service.fhir import records
from service.fhir.records import Head, Record, Subject
from service.fhir.resources import CARD_ID

if TYPE_CHECKING:
    from service.bootstrap import Services

AI_PROVENANCE: Final = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AI-Provenance"
_FACTS: Final = "https://undersign.dev/fhir/NamingSystem/facts-digest"
_VERSION: Final = "https://undersign.dev/fhir/NamingSystem/version-of-"
_REASON: Final = "https://undersign.dev/fhir/CodeSystem/rejection-reason"
_CREATED, _REJECTED, _WRITTEN, _REVOKED = "created", "rejected", "written", "revoked"


class _Context(msgspec.Struct, frozen=True):
    versions: dict[str, str] = {}
    labels: list[dict[str, Any]] = []


async def read(services: "Services", ehr: str, ident: str) -> Record:
    """Return one Provenance: by its id, a signed one by its order's or draft's; NotFound U-FHIR-UNKNOWN."""
    draft, _, part = ident.partition(".")
    try:
        if not part:
            return records.of_provenance(await records.signature(services, ehr, ident))
        found = await of_draft(services, await decisions.own_draft(services, ehr, draft))
    except NotFound as error:
        raise _unknown() from error
    for record in found:
        if record.head.id == ident:
            return record
    raise _unknown()


async def of_target(services: "Services", ehr: str, ident: str) -> list[Record]:
    """Return the Provenance of a draft or of a signed order, oldest first; NotFound U-DRAFT-UNKNOWN, U-FHIR-UNKNOWN."""
    try:
        draft, of_order = await decisions.own_draft(services, ehr, ident), False
    except NotFound:
        signature = await records.signature(services, ehr, ident)
        draft, of_order = await services.store.read(signature.draft), True
    found = await of_draft(services, draft)
    return [one for one in found if of_order != one.head.id.endswith((f".{_CREATED}", f".{_REJECTED}"))]


async def of_entity(services: "Services", ehr: str, ident: str) -> list[Record]:
    """Return the Provenance that a draft was the basis of: the signature's."""
    draft = await decisions.own_draft(services, ehr, ident)
    signature = await services.store.signature(draft.id)
    return [] if signature is None else [records.of_provenance(signature)]


async def of_draft(services: "Services", draft: Draft) -> list[Record]:
    """Return all Provenance of a draft and its order, oldest first."""
    entries = await services.store.history(draft.id)
    signature = await services.store.signature(draft.id)
    found = [_created(services, draft)]
    rejected = f"MedicationRequest/{draft.id}/_history/{draft.version}"
    found += [_ended(services, draft, _REJECTED, rejected, one) for one in _ending(entries, "overridden")]
    if signature is not None:
        found.append(records.of_provenance(signature))
        found += [_written(services, draft, signature, one) for one in _writing(entries)]
        revoked = f"MedicationRequest/{signature.order_id}"
        found += [_ended(services, draft, _REVOKED, revoked, one) for one in _ending(entries, "revoked")]
    return found


def _created(services: "Services", draft: Draft) -> Record:
    public_url, known = services.settings.server.public_url, msgspec.json.decode(draft.context, type=_Context)
    when = milliseconds(draft.created)
    return _record(
        draft,
        _CREATED,
        {
            "meta": {"profile": [AI_PROVENANCE]},
            "target": [{"reference": f"MedicationRequest/{draft.id}/_history/1", "type": "MedicationRequest"}],
            "occurredDateTime": when,
            "recorded": when,
            "reason": [ai_asserted()],
            "activity": concept(provenance.OPERATION, "CREATE", "create"),
            "agent": [ai_agent(public_url, "author", "Author")],
            "entity": [
                entity("derivation", {"reference": f"DocumentReference/{CARD_ID}", "type": "DocumentReference"}),
                entity(
                    "source", named_by(_FACTS, draft.facts, "digest of what was read of the chart, and of the rules")
                ),
                *(
                    entity("derivation", named_by(_VERSION + part, version, f"{part} {version}"))
                    for part, version in sorted(known.versions.items())
                ),
                *_not_passed_on(services, draft, known.labels),
            ],
        },
    )


def _not_passed_on(services: "Services", draft: Draft, told: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the resources that may not be passed on unsaid, each with its label."""
    base = services.tenant(draft.ehr).fhir_base.rstrip("/")
    for label in told:
        for reference in label.get("references", ()):
            yield entity("source", {"reference": f"{base}/{reference}", "display": str(label["code"])})


def _ending(entries: Sequence[AuditEntry], event: str) -> list[AuditEntry]:
    """Return a person's entry that rejected the draft or revoked its order; what came after an end changed nothing."""
    ends = [one for one in entries if one.event == event and one.detail.get("state") == event]
    return [one for one in ends[:1] if one.actor.startswith("Practitioner/")]


def _ended(services: "Services", draft: Draft, part: str, what: str, found: AuditEntry) -> Record:
    """Return who rejected a draft or revoked an order, ``what``, with the reason's code and the signature."""
    tenant, public_url = services.tenant(draft.ehr), services.settings.server.public_url
    given = cast("Mapping[str, Any]", found.detail.get("given") or {})
    signed = cast("Mapping[str, Any]", given.get("statement") or {})
    who, when = {"reference": f"{tenant.fhir_base.rstrip('/')}/{found.actor}"}, milliseconds(found.at)
    reason = [{"coding": [{"system": _REASON, "code": given["reason"]}]}] if "reason" in given else []
    proof = [provenance.signature(str(signed["jws"]), who, when, "application/json")] if "jws" in signed else []
    return _record(
        draft,
        part,
        {
            "target": [{"reference": what}],
            "recorded": when,
            "reason": [ai_asserted(), *reason],
            "activity": concept(provenance.OPERATION, "CANCEL", "cancel"),
            "agent": [
                provenance.author(who, tenant.organization),
                ai_agent(public_url, "assembler", "Assembler"),
            ],
            "entity": [entity("source", {"reference": f"MedicationRequest/{draft.id}", "type": "MedicationRequest"})],
            **({"signature": proof} if proof else {}),
        },
    )


def _writing(entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    return [one for one in entries if one.event == "written"][:1]


def _written(services: "Services", draft: Draft, signature: Signature, found: AuditEntry) -> Record:
    """Return who handed the order to the EHR, with the id and version that it got there."""
    base = services.tenant(draft.ehr).fhir_base.rstrip("/")
    step = cast("Mapping[str, str]", found.detail["step"])
    version = f"/_history/{step['version']}" if "version" in step else ""
    transmitter = concept(provenance.US_CORE_PARTICIPANT, "transmitter", "Transmitter")
    what = {"reference": f"MedicationRequest/{signature.order_id}", "type": "MedicationRequest"}
    return _record(
        draft,
        _WRITTEN,
        {
            "target": [{"reference": f"{base}/{step['order']}{version}"}],
            "recorded": milliseconds(found.at),
            "reason": [ai_asserted()],
            "activity": concept(provenance.OPERATION, "CREATE", "create"),
            "agent": [{"type": transmitter, "who": provenance.device(services.settings.server.public_url)}],
            "entity": [
                entity("source", what),
                entity("source", {"reference": f"Provenance/{signature.order_id}", "type": "Provenance"}),
            ],
        },
    )


def _record(draft: Draft, part: str, told: Mapping[str, Any]) -> Record:
    ident = f"{draft.id}.{part}"
    meta = labels.meta(labels.inherited(draft.resource), **told.get("meta", {}))
    resource = {"resourceType": "Provenance", "id": ident, **told, **meta}
    return Record("Provenance", Head(id=ident, subject=Subject(draft.patient)), 1, resource)


def _unknown() -> NotFound:
    return NotFound("U-FHIR-UNKNOWN", "There is no such Provenance; search by target.")
