"""A round through the EHR as its users would make it: charts opened, a drug chosen, orders signed, cards answered."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from conformance.reference_ehr.cds_client import HookCall
from conformance.reference_ehr.codec import is_list, is_object
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.refusals import Json, Refusal

USER = "dr-lindqvist"
_BETWEEN_S = 3.0  # between two acts of a user
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def draft(patient: str, author: str) -> Json:
    """Return a draft order of sertraline (RxNorm 36437) as a prescriber begins it."""
    return {
        "resourceType": "MedicationRequest",
        "id": f"draft-{patient}",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "requester": {"reference": author},
        "medicationCodeableConcept": {
            "coding": [{"system": _RXNORM, "code": "36437", "display": "sertraline"}],
            "text": "sertraline",
        },
    }


async def play(ehr: ReferenceEhr, times: int = 1, user: str = USER) -> list[HookCall]:
    """Open two charts at once, order in the first, answer its cards, then open it ``times`` again."""
    first, second = (person.id for person in ehr.people[:2])
    opened = await asyncio.gather(ehr.cds.patient_view(user, first), ehr.cds.patient_view(user, second))
    calls = [call for found in opened for call in found]
    await ehr.cds.sleep(_BETWEEN_S)
    drafts = [draft(first, ehr.authorization.accounts[user].fhir_user)]
    calls += await ehr.cds.order_select(user, first, drafts)
    calls += await ehr.cds.order_sign(user, first, drafts)
    await _answer(ehr, calls)
    for _ in range(times):
        await ehr.cds.sleep(_BETWEEN_S)
        calls += await _opened_again(ehr, user, first)
    return calls


async def _opened_again(ehr: ReferenceEhr, user: str, patient: str) -> Sequence[HookCall]:
    try:
        return await ehr.cds.patient_view(user, patient)
    except Refusal:  # the service did not answer in time: the chart is open without its card
        return ()


async def _answer(ehr: ReferenceEhr, calls: Sequence[HookCall]) -> None:
    """Take a suggestion of the first card that has one, and override every other card with its first reason."""
    taken = False
    now = ehr.cds.clock()
    for call in calls:
        for card in _cards(call):
            suggestions = card.get("suggestions", [])
            take = bool(suggestions) and not taken
            taken = taken or take
            item: Json = {"card": card.get("uuid"), "outcomeTimestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
            if take:
                item |= {"outcome": "accepted", "acceptedSuggestions": [{"id": suggestions[0].get("uuid")}]}
            else:
                reasons = card.get("overrideReasons", [])
                item |= {"outcome": "overridden", **({"overrideReason": {"reason": reasons[0]}} if reasons else {})}
            await ehr.cds.feedback(call.service, [item])


def _cards(call: HookCall) -> Iterator[dict[str, Any]]:
    held = call.answer.get("cards") if is_object(call.answer) else None
    yield from (card for card in held if is_object(card)) if is_list(held) else ()
