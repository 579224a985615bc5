"""What a patient's safety asks of a service that suggests prescriptions, whoever wrote it; and more of ours.

Another's service that suggests none is not asked: what it says of a chart is its own affair.
"""

import json
from collections.abc import Sequence
from typing import cast

from conformance.checks import Check, NotAsked, Told, Untested, failed, passed, untested, warned
from conformance.suites.service import requirements as must
from conformance.suites.service.cards import CHARTS, objects
from conformance.suites.service.probe import Json, Probe

_GROUP = "safety"
_CRISIS, _OTHER = "leila-haddad", "jonas-weber"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


async def _ask_prescribers(probe: Probe) -> None:
    """Raise NotAsked where another's service suggests no prescription on the synthetic charts."""
    if await probe.is_ours():
        return
    for person in CHARTS:
        if _prescriptions((await probe.answered(person=person)).list("cards") or ()):
            return
    raise NotAsked("asked of services that suggest prescriptions: this one suggested none")


async def _foreign(probe: Probe) -> Sequence[Told]:
    """One patient in the context, another's data in the prefetch."""
    await _ask_prescribers(probe)
    service = await probe.service("patient-view")
    mine, other = await probe.request(service), await probe.request(service, _OTHER)
    answer = await probe.call(service, {**mine, "prefetch": other["prefetch"]})
    if 400 <= answer.status < 500:
        return passed(f"another patient's data are refused with {answer.status}", answer.number)
    fix = "compare each resource's subject with context.patientId before anything is worked out"
    said, got = "a call whose prefetch is another patient's is answered as if it were good", str(answer.status)
    return failed(said, answer.number, expected="a 4xx", got=got, path="$.prefetch", fix=fix)


async def _other_token(probe: Probe) -> Sequence[Told]:
    await probe.ask_ours()  # from outside nobody sees whether another's service uses the token at all
    service = await probe.service("patient-view")
    body = await probe.request(service)
    given = {"access_token": "x", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs", "subject": "s"}
    more = {"fhirServer": "https://ehr.example/fhir", "fhirAuthorization": {**given, "patient": _OTHER}}
    answer = await probe.call(service, {**body, **more})
    if 400 <= answer.status < 500:
        return passed("an access token of another patient is refused", answer.number)
    fix = "compare fhirAuthorization.patient with context.patientId"
    said = "an access token that is bound to another patient is taken"
    return (
        Told("fail", said, "a 4xx", str(answer.status), "$.fhirAuthorization.patient", fix, exchanges=(answer.number,)),
    )


async def _drafts(probe: Probe) -> Sequence[Told]:
    await _ask_prescribers(probe)
    # The standard's own examples suggest drafts of intent order; ours never claims that somebody ordered.
    intents = ("proposal", "plan") if await probe.is_ours() else ("proposal", "plan", "order")
    said: list[Told] = []
    seen = 0
    for person in CHARTS:
        answer, cards = await probe.cards(person=person)
        for place, resource in _prescriptions(cards):
            seen += 1
            status, intent = str(resource.get("status")), str(resource.get("intent"))
            if status != "draft" or intent not in intents:
                said += failed(
                    "a suggested MedicationRequest is no draft",
                    answer.number,
                    expected=f"status draft, intent {' or '.join(intents)}",
                    got=f"{status}, {intent}",
                    path=place,
                    fix="suggest drafts only: a person makes the order",
                )
    if not seen:
        return untested("no MedicationRequest was suggested")
    return said or passed(f"{seen} suggested MedicationRequests are drafts")


async def _no_action(probe: Probe) -> Sequence[Told]:
    ours, others = await probe.is_ours(), 0
    for person in CHARTS:
        answer = await probe.answered(person=person)
        actions = answer.list("systemActions") or ()
        kinds = {one["resource"].get("resourceType") for one in actions if isinstance(one.get("resource"), dict)}
        if (ours and "systemActions" in answer.object()) or "MedicationRequest" in kinds:
            what = "a prescription" if "MedicationRequest" in kinds else "a change"
            said = f"{what} in systemActions would be applied with no person in between"
            fix = "suggest it on a card instead, for a person to take"
            place = "$.systemActions"
            return failed(said, answer.number, expected="none", got=f"{len(actions)}", path=place, fix=fix)
        others += len(actions)
    return passed(
        f"{others} systemActions in {len(CHARTS)} answers, none a prescription"
        if others
        else f"none in {len(CHARTS)} answers"
    )


async def _same(probe: Probe) -> Sequence[Told]:
    await probe.ask_ours()
    service = await probe.service("patient-view")
    body = await probe.request(service, "amara-osei")
    answers = [await probe.call(service, body) for _ in range(2)]
    first, second = (_ids(one.list("cards") or ()) for one in answers)
    numbers = tuple(one.number for one in answers)
    if not first and not second:
        return untested("no draft was suggested", *numbers)
    if first == second:
        return passed(f"the same {len(first)} drafts both times", *numbers)
    fix = "keep drafts by the facts that they stand on"
    return failed("the same chart gave other drafts the second time", *numbers, path="$.cards[*].suggestions", fix=fix)


async def _crisis(probe: Probe) -> Sequence[Told]:
    await probe.ask_ours()
    answer, cards = await probe.cards(person=_CRISIS)
    if not cards:
        said, fix = "a chart with a positive answer on self-harm gives no card", "say so, and name who is to be called"
        return failed(said, answer.number, path="$.cards", fix=fix)
    if _prescriptions(cards):
        said, fix = "a drug is suggested beside a positive answer on self-harm", "lead to people, and draft nothing"
        return failed(said, answer.number, path="$.cards[*].suggestions", fix=fix)
    if not any(card.get("indicator") == "critical" for card in cards):
        said, fix = "no card on the answer on self-harm is critical", "give that card the indicator critical"
        return warned(said, answer.number, expected="critical", path="$.cards[*].indicator", fix=fix)
    return passed("a critical card without any drug", answer.number)


async def _signing(probe: Probe) -> Sequence[Told]:
    await probe.ask_ours()
    orders = [_order("a", "321988", "escitalopram 10 MG Oral Tablet"), _order("b", "8123", "phenelzine")]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in orders]}
    service = await probe.service("order-sign")
    answer = await probe.call(service, await probe.request(service, _OTHER, draftOrders=bundle))
    if answer.status != 200:
        raise Untested(f"the call was answered with {answer.status}", (answer.number,))
    if any(card.get("indicator") in ("warning", "critical") for card in answer.list("cards") or ()):
        return passed("escitalopram beside phenelzine gives a card", answer.number)
    said, fix = "escitalopram and phenelzine about to be signed together give no card", "judge the orders as a set"
    return failed(said, answer.number, path="$.cards", fix=fix)


def _order(id_: str, code: str, text: str) -> Json:
    concept = {"coding": [{"system": _RXNORM, "code": code}], "text": text}
    who = {"subject": {"reference": f"Patient/{_OTHER}"}}
    kind = {"resourceType": "MedicationRequest", "id": id_, "status": "draft", "intent": "order"}
    return {**kind, **who, "medicationCodeableConcept": concept}


def _prescriptions(cards: Sequence[Json]) -> list[tuple[str, Json]]:
    return [
        (f"$.cards[{c}].suggestions[{s}].actions[{a}].resource", cast("Json", action["resource"]))
        for c, card in enumerate(cards)
        for s, suggestion in enumerate(objects(card, "suggestions"))
        for a, action in enumerate(objects(suggestion, "actions"))
        if isinstance(action.get("resource"), dict) and action["resource"].get("resourceType") == "MedicationRequest"
    ]


def _ids(cards: Sequence[Json]) -> list[str]:
    return sorted(json.dumps(resource.get("id")) for _, resource in _prescriptions(cards))


CHECKS: tuple[Check[Probe], ...] = (
    Check("safety.other-patient", "Another patient's data", _GROUP, must.S1, "blocks-start", "service-team", _foreign),
    Check(
        "safety.other-token", "Another patient's token", _GROUP, must.S1, "blocks-start", "service-team", _other_token
    ),
    Check("safety.drafts", "Suggestions are drafts", _GROUP, must.S2, "blocks-start", "service-team", _drafts),
    Check("safety.system-actions", "No systemActions", _GROUP, must.A13, "blocks-start", "service-team", _no_action),
    Check("safety.same-drafts", "The same chart, the same drafts", _GROUP, must.S3, "degrades", "service-team", _same),
    Check("safety.crisis", "Self-harm leads to people", _GROUP, must.S4, "blocks-start", "service-team", _crisis),
    Check("safety.order-sign", "A dangerous pair is stopped", _GROUP, must.S5, "degrades", "service-team", _signing),
)
