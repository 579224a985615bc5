"""What a practitioner does with a draft: prepare, sign, reject. The API and the page both come through here.

May-sign is asked of the EHR each time, with the user's own token; what was shown is found by its digest, and
only those stored bytes are signed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from recommender.catalog.knowledge import Knowledge
from recommender.gate import gates
from service import site_time, telemetry
from service.drafts.canonical_json import instant, load_object
from service.drafts.commit import checks, outbox_steps
from service.drafts.decision import authority, chart_again, consent_reading
from service.drafts.order import differences, dosages, edit_rules
from service.drafts.records import Draft, Prepared, Signature
from service.drafts.signature import orders, rejections
from service.drafts.signature.provenance import Told
from service.ehr import modes, ordered_already, patient_record, writeback
from service.errors import Conflict, NotFound, Unprocessable
from service.smart.practitioner import Practitioner
from service.switches import in_force

if TYPE_CHECKING:
    from service.bootstrap import Services

_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_MOST_SECTIONS: Final = 50
_MOST_DWELL_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Seen:
    """What the page says was looked at before signing: codes of its sections, and for how many seconds it was open."""

    sections: Sequence[str] = ()
    dwell_s: int | None = None


async def own_draft(services: "Services", ehr: str, draft_id: str) -> Draft:
    """Return a draft of this tenant; NotFound U-DRAFT-UNKNOWN for any other, in the words for one that never was."""
    draft = await services.store.read(draft_id)
    if draft.ehr != ehr:
        raise NotFound("U-DRAFT-UNKNOWN", "no draft has this id")
    return draft


async def prepare(
    services: "Services", draft_id: str, practitioner: Practitioner, token: str, order_edit: bytes | None
) -> Prepared:
    """Keep and return the exact bytes that a signature will be over, of the draft or of it as edited.

    An edited dose, supply or date meets the rules again. Forbidden U-SIGNER-*, U-SUPERVISION; Conflict U-DRAFT-*;
    Unprocessable U-ORDER-* (U-ORDER-ROUTE for a drug that a certain person begins); EhrFailed when the EHR cannot say
    whether the practitioner may prescribe.
    """
    draft = await own_draft(services, practitioner.ehr, draft_id)
    checks.unsigned(draft, await services.store.now())
    await in_force.check_may_sign(services, draft)
    edit_rules.check_rules(draft, services.knowledge)
    _check_route(draft, services.knowledge)
    prescriber = await _may_sign(services, draft, practitioner, token)
    resource = orders.edited(draft, order_edit, practitioner.reference)
    now = await services.store.now()
    today = site_time.local(now, services.profiles[draft.ehr]).date()
    points = edit_rules.judged(draft, resource or draft.resource, services.knowledge, today)
    ehr, public_url = services.tenant(draft.ehr), services.settings.server.public_url
    prepared = orders.prepare(draft, order_edit, prescriber, ehr, public_url, now, points)
    await services.store.prepare(draft.id, draft.version, prepared, resource)
    return prepared


async def sign(
    services: "Services",
    draft_id: str,
    practitioner: Practitioner,
    token: str,
    *,
    version: int,
    digest: str,
    acknowledgements: Sequence[str],
    reason: str | None,
    seen: Seen = Seen(),
) -> Signature:
    """Sign the bytes shown under ``digest`` and queue the write-back; exactly one of many signers wins.

    ``reason`` is free text, one word of it too: it is kept beside the chain, as comments are.
    Unprocessable U-SIGN-MODE, U-ACKNOWLEDGE, U-SIGN-SEEN; Conflict U-DIGEST, U-DRAFT-*, U-ORDER-DAY, U-ORDER-PENDING,
    U-ORDER-EXISTS, U-ORDER-UNKNOWN, U-CONSENT-WITHHELD, U-PATIENT-RECORD, U-CHART-*; Forbidden U-SIGNER-*, U-STEP-UP,
    U-SUPERVISION; Unavailable U-SWITCHED-OFF; EhrFailed when the EHR cannot say whether the practitioner may prescribe,
    what it has or what the patient consents to: then nothing is signed.
    """
    draft = await own_draft(services, practitioner.ehr, draft_id)
    await in_force.check_may_sign(services, draft)
    await modes.check_signing(services.clients[draft.ehr])
    shown = await _shown(services, draft, practitioner, version, digest)
    _check_day(services, shown, draft.ehr, await services.store.now())
    orders.check_acknowledgements(shown, acknowledgements)
    edit_rules.check_rules(draft, services.knowledge)
    _check_route(draft, services.knowledge)
    looked = _seen(seen)
    _check_step_up(services, draft, practitioner)
    prescriber = await _may_sign(services, draft, practitioner, token)
    await patient_record.check(services.clients[draft.ehr], draft.patient, token)
    consents = await consent_reading.check(services, draft, token)
    checked = await ordered_already.check(services, draft, shown.order)
    again = await chart_again.check(services, draft, shown.order, token, consents.decisions)
    now, public_url = await services.store.now(), services.settings.server.public_url
    changed = differences.differences(draft)
    told = Told(changed, looked.get("shown", ()), services.tenant(draft.ehr).organization)
    signature = orders.sign(shown, services.signer, prescriber, public_url, now, told)
    policy = services.tenant(draft.ehr).supervision
    risk = authority.recorded(draft, services.knowledge, prescriber, policy)
    detail = {"assertion": assertion(prescriber), **risk, **consents.said}
    detail |= {outbox_steps.MODE: services.tenant(draft.ehr).write_back, **checked, **again}
    detail |= {**looked, **({"changed": changed} if changed else {}), **reasoned(None, reason)}
    # The EHR was asked much since the first look; a switch that was pulled meanwhile holds for this signature too.
    await in_force.check_may_sign(services, draft)
    await services.store.sign(signature, write_back=True, detail=detail)
    telemetry.SIGNATURES.inc()
    telemetry.log().info("signed", draft=draft.id, ehr=draft.ehr, order_id=signature.order_id)
    writeback.poke(services)
    return signature


async def reject(
    services: "Services",
    draft_id: str,
    practitioner: Practitioner,
    *,
    version: int | None,
    reason: str | None,
    comment: str | None,
) -> Draft:
    """End the draft as rejected by this practitioner, signed, and return it; Conflict U-DRAFT-*."""
    draft = await own_draft(services, practitioner.ehr, draft_id)
    now = await services.store.now()
    checks.unsigned(draft, now)
    if version is not None:
        checks.version(draft, version)
    given, said = reasoned(reason, comment), assertion(practitioner)
    detail = rejections.signed("reject", draft, practitioner, given, said, services.signer, now)
    ended = await services.store.reject(draft.id, draft.version, practitioner.reference, detail)
    telemetry.log().info("rejected", draft=draft.id, ehr=draft.ehr)
    return ended


async def _may_sign(services: "Services", draft: Draft, practitioner: Practitioner, token: str) -> Practitioner:
    client = services.clients[practitioner.ehr]
    found = await client.practitioner_may_prescribe(practitioner.reference, token)
    prescriber = replace(practitioner, role=found.role, specialist=found.specialist)
    authority.check_supervision(draft, services.knowledge, prescriber, client.ehr.supervision)
    return prescriber


def _check_step_up(services: "Services", draft: Draft, practitioner: Practitioner) -> None:
    users, now = services.tenant(draft.ehr).users, services.clock()
    authority.check_step_up(draft, services.knowledge, practitioner, services.settings.sign, users, now)


def assertion(practitioner: Practitioner) -> dict[str, Any]:
    """Return what the service asserts of the signer, with what the token proves of the login."""
    login = practitioner.auth_time
    said = {"auth_time": login and instant(login), "acr": practitioner.acr, "amr": list(practitioner.amr)}
    return {**orders.assertion(practitioner), **{name: value for name, value in said.items() if value}}


async def _shown(services: "Services", draft: Draft, practitioner: Practitioner, version: int, digest: str) -> Prepared:
    """Return what this practitioner was shown; the store asks all of this again inside its commit."""
    checks.unsigned(draft, await services.store.now())
    shown = await services.store.prepared(draft.id, digest, practitioner.reference)
    if shown is None:
        # What was shown is dropped when a draft ends, perhaps by another signer a moment ago: say that first.
        checks.unsigned(await services.store.read(draft.id), await services.store.now())
        raise Conflict("U-DIGEST", "You were not shown these bytes of this draft; prepare it again.")
    checks.version(draft, version)
    return shown


def _check_day(services: "Services", shown: Prepared, ehr: str, now: datetime) -> None:
    """Refuse bytes of another day of the site: the order is dated by it, and so were its dates judged."""
    days = {site_time.local(at, services.profiles[ehr]).date() for at in (shown.prepared, now)}
    if len(days) > 1:
        raise Conflict("U-ORDER-DAY", "This order was prepared on another day, by which it is dated; prepare it again.")


def _check_route(draft: Draft, knowledge: Knowledge) -> None:
    """Refuse a drug that a person of a certain kind begins, or that only the EHR may have signed: U-ORDER-ROUTE.

    None is drafted; one that was held before the rows said so is not signed here either, nor one whose product is
    another drug's. Conflict U-DRAFT-RULES for a drug that the rules no longer have.
    """
    if knowledge.drug(draft.ingredient) is None:
        raise Conflict("U-DRAFT-RULES", "The rules no longer have this drug; open the chart again for a new draft.")
    told = [one for name in _ordered(draft, knowledge) for one in gates.routes(name, knowledge)]
    if told:
        who = told[0].to.replace("-", " ")
        raise Unprocessable("U-ORDER-ROUTE", f"{told[0].reason} It is not signed here; for the {who}.")


def _ordered(draft: Draft, knowledge: Knowledge) -> list[str]:
    """Return the drug that was drafted, and those that own a code of the product that is ordered."""
    concept = dosages.mapping(load_object(draft.resource).get("medicationCodeableConcept"))
    codes = {dosages.mapping(one).get("code") for one in dosages.sequence(concept.get("coding"))}
    products = (
        name for name, found in knowledge.orderables.items() if not codes.isdisjoint(one.rxnorm for one in found)
    )
    named = (name for name, drug in knowledge.drugs.items() if drug.rxnorm in codes)
    return list(dict.fromkeys((draft.ingredient, *products, *named)))


def _seen(seen: Seen) -> dict[str, Any]:
    """Return what the audit keeps of what was looked at: codes and a time, never what stood there."""
    sections = list(dict.fromkeys(seen.sections))
    well_formed = len(sections) <= _MOST_SECTIONS and all(_CODE.fullmatch(section) for section in sections)
    if not well_formed or (seen.dwell_s is not None and not 0 <= seen.dwell_s <= _MOST_DWELL_S):
        msg = f"shown takes at most {_MOST_SECTIONS} codes of small letters, dwell at most {_MOST_DWELL_S} seconds."
        raise Unprocessable("U-SIGN-SEEN", msg)
    found = {"shown": sections, "dwell_s": seen.dwell_s}
    return {name: value for name, value in found.items() if value not in (None, [])}


def reasoned(reason: str | None, comment: str | None) -> dict[str, str]:
    """Return the detail of a decision: a code goes into the chain, free text stays beside it as comment."""
    if reason is not None and not _CODE.fullmatch(reason):
        reason, comment = None, "\n".join(text for text in (reason, comment) if text)
    found = {"reason": reason, "comment": comment}
    return {name: text for name, text in found.items() if text}
