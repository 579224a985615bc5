"""What a practitioner does with a draft: prepare, sign, reject. The API and the page both come through here.

May-sign is asked of the EHR each time, with the user's own token; what was shown is found by its digest, and
only those stored bytes are signed.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from recommender.catalog.knowledge import Knowledge
from recommender.gate import gates
from service import site_time, telemetry
from service.drafts import checks, differences, edit_rules, orders
from service.drafts.store import Draft, Prepared, Signature
from service.ehr import writeback
from service.errors import Conflict, NotFound, Unprocessable
from service.smart.practitioner import Practitioner

if TYPE_CHECKING:
    from service.bootstrap import Services

_REASON_CODE = re.compile(r"[a-z][a-z0-9-]{0,63}")


async def own_draft(services: "Services", ehr: str, draft_id: str) -> Draft:
    """Return a draft of this tenant; NotFound U-DRAFT-UNKNOWN for any other one."""
    draft = await services.store.read(draft_id)
    if draft.ehr != ehr:
        raise NotFound("U-DRAFT-UNKNOWN", "There is no such draft; read the list of drafts again.")
    return draft


async def prepare(
    services: "Services", draft_id: str, practitioner: Practitioner, token: str, order_edit: bytes | None
) -> Prepared:
    """Keep and return the exact bytes that a signature will be over, of the draft or of it as edited.

    An edited dose, supply or date meets the rules again. Forbidden U-SIGNER-*; Conflict U-DRAFT-*; Unprocessable
    U-ORDER-* (U-ORDER-ROUTE for a drug that a certain person begins); EhrFailed when the EHR cannot say whether the
    practitioner may prescribe.
    """
    draft = await own_draft(services, practitioner.ehr, draft_id)
    checks.unsigned(draft, await services.store.now())
    _check_route(draft, services.knowledge)
    prescriber = await _may_sign(services, practitioner, token)
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
) -> Signature:
    """Sign the bytes shown under ``digest`` and queue the write-back; exactly one of many signers wins.

    Unprocessable U-SIGN-MODE, U-ACKNOWLEDGE; Conflict U-DIGEST, U-DRAFT-*; Forbidden U-SIGNER-*; EhrFailed
    when the EHR cannot say whether the practitioner may prescribe: then nothing is signed.
    """
    draft = await own_draft(services, practitioner.ehr, draft_id)
    write_back = services.tenant(draft.ehr).write_back
    if write_back == "card":
        raise Unprocessable("U-SIGN-MODE", "Orders of this EHR are signed in the EHR: accept the card there.")
    shown = await _shown(services, draft, practitioner, version, digest)
    orders.check_acknowledgements(shown, acknowledgements)
    _check_route(draft, services.knowledge)
    prescriber = await _may_sign(services, practitioner, token)
    now, public_url = await services.store.now(), services.settings.server.public_url
    signature = orders.sign(shown, services.signer, prescriber, public_url, now)
    changed = differences.differences(draft)
    detail = {"assertion": orders.assertion(prescriber), **({"changed": changed} if changed else {})}
    detail |= _reason(reason, None)
    await services.store.sign(signature, write_back=write_back == "sign-and-write", detail=detail)
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
    """End the draft as rejected by this practitioner and return it; Conflict U-DRAFT-*."""
    draft = await own_draft(services, practitioner.ehr, draft_id)
    ended = await services.store.reject(draft.id, version, practitioner.reference, _reason(reason, comment))
    telemetry.log().info("rejected", draft=draft.id, ehr=draft.ehr)
    return ended


async def _may_sign(services: "Services", practitioner: Practitioner, token: str) -> Practitioner:
    client = services.clients[practitioner.ehr]
    role = await client.practitioner_may_prescribe(practitioner.reference, token)
    return replace(practitioner, role=role)


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


def _check_route(draft: Draft, knowledge: Knowledge) -> None:
    """Refuse a drug that a person of a certain kind begins, or that only the EHR may have signed: U-ORDER-ROUTE.

    None is drafted; one that was held before the rows said so is not signed here either.
    """
    told = gates.routes(draft.ingredient, knowledge)
    if told:
        who = told[0].to.replace("-", " ")
        raise Unprocessable("U-ORDER-ROUTE", f"{told[0].reason} It is not signed here; for the {who}.")


def _reason(reason: str | None, comment: str | None) -> dict[str, str]:
    """Return the detail of a decision: a code goes into the chain, free text stays beside it as comment."""
    if reason is not None and not _REASON_CODE.fullmatch(reason):
        reason, comment = None, "\n".join(text for text in (reason, comment) if text)
    found = {"reason": reason, "comment": comment}
    return {name: text for name, text in found.items() if text}
