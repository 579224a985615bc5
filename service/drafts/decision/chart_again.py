"""The chart once more, in the moment of a signature: what has come into it since the draft was held.

A draft that a changed chart replaces is replaced only when somebody opens that chart. So what the tenant's profile
searches is read again with the signer's own token, and the gates and the rules on this drug are asked again. Only what
speaks against signing counts: a list that the EHR does not give this user was judged when the draft was made, and the
record of the signature names it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted, ConsentDecision
from fhir_adapters.errors import InputError
from fhir_adapters.survey import wanted
from fhir_adapters.survey.wanted import Template
from recommender.assessment import Attestation, Escalation, Gate, Reason
from recommender.dose import dosing
from recommender.dose.dispensing import EXACT_MG
from recommender.gate import gates
from recommender.safety import rules
from recommender.safety.findings import Finding
from recommender.step import indications
from service import site_time
from service.drafts.canonical_json import load_object
from service.drafts.commit import checks
from service.drafts.decision import alarms, attesting
from service.drafts.order import dosages, edit_rules
from service.drafts.records import Draft
from service.ehr import pages, prefetch
from service.errors import Conflict, EhrFailed, ServiceError

if TYPE_CHECKING:
    from service.bootstrap import Services

_AGAIN: Final = "open the chart again"
_SERIOUS: Final = ("contraindicated", "warning")
_SOON: Final = ("now", "today")
# What an EHR says of a failure that may be over in a moment.
_PASSING: Final = ("U-EHR-UNREACHABLE", "U-EHR-BUSY")
# What was missing was missing when the draft was made; every other closed gate is news.
_SIGNABLE: Final = ("open", "insufficient-data")
# What could be read is judged, whatever else could not. Consents were read before (``consent_reading``).
_TEMPLATES: Final = tuple(
    replace(one, required=False, decisive=False) for one in wanted.templates() if one.key != "consents"
)


async def check(
    services: "Services", draft: Draft, order: bytes, token: str, consents: tuple[ConsentDecision, ...]
) -> dict[str, Any]:
    """Refuse an order that the chart speaks against by now; returns what the record says was not read, by key.

    ``consents`` let drafting be: without them a site that asks for a permission would close here before anything else.
    Conflict U-CHART-CRISIS where an answer or a record of it closes drafting until a person has looked; U-CHART-CHANGED
    where a gate closes, a rule that did not hold speaks against the drug, or the dose is above what is allowed now.
    EhrFailed where the patient cannot be read, or a list fails in passing; the caller has asked whether the record is
    in use.
    """
    profile, patient = services.profiles[draft.ehr], draft.patient.removeprefix("Patient/")
    values = await _read(services, draft.ehr, patient, token)
    today = site_time.local(await services.store.now(), profile).date()
    try:
        adapted = adapt_prefetch(values, patient, today, profile, checked=True)
    except InputError as error:
        raise EhrFailed("U-EHR-ANSWER", f"the chart as the EHR gives it now cannot be read: {error.code}") from error
    adapted = replace(adapted, patient=replace(adapted.patient, consents=consents))
    recorded = await services.store.attestations(draft.ehr, draft.patient)
    if recorded and recorded[-1].result == "stays-closed":
        return {}  # the store refuses the signature itself, by that name
    attested = tuple(attesting.known(one, profile) for one in recorded)
    unread = sorted({one.key for one in _TEMPLATES if _is_wanting(values.get(one.key))} | _unnamed(adapted))
    try:
        gate = _check_gate(services, draft, adapted, attested)
        if not gate.warnings and await alarms.standing(services, draft.ehr, adapted) is not None:
            raise Conflict("U-CHART-CRISIS", f"a crisis card was shown and nobody has answered it since; {_AGAIN}")
        found = rules.evaluate(draft.ingredient, adapted.patient, adapted.features, services.knowledge)
        _check_rules(draft, found, gate)
        _check_dose(services, draft, order, adapted, found)
    except Conflict:
        # What changed in the chart may be this very draft, signed by another a moment ago: then that is what is said.
        checks.unsigned(await services.store.read(draft.id), await services.store.now())
        raise
    return {"chart_unread": unread} if unread else {}


async def _read(services: "Services", ehr: str, patient: str, token: str) -> Mapping[str, bytes]:
    """Return the chart's lists; one that failed in passing, or for lack of time, is asked for once more in its own.

    EhrFailed where it fails again: what an EHR cannot say at the moment is no list that it does not give to this user.
    """
    client, profile = services.clients[ehr], services.profiles[ehr]
    values = await prefetch.complete({}, _TEMPLATES, patient, client, token, profile)

    async def again(template: Template) -> bytes:
        try:
            found = await prefetch.of_template(template, patient, client, token, profile)
        except ServiceError as error:
            if error.code in _PASSING:
                raise
            return prefetch.UNREADABLE
        return prefetch.UNREADABLE if found is None else found

    unread = [one for one in _TEMPLATES if values.get(one.key) == prefetch.UNREADABLE]
    found = await asyncio.gather(*map(again, unread))
    return {**values, **{one.key: value for one, value in zip(unread, found, strict=True)}}


def _unnamed(adapted: Adapted) -> set[str]:
    """Return the list of drugs where one that may be taken has no name, since its Medication could not be read."""
    drugs = (one for one in adapted.patient.medications if one.taking != "stopped" and not one.text)
    return {"medications"} if any(one.unresolved == "reference-not-found" for one in drugs) else set()


def _is_wanting(value: bytes | None) -> bool:
    """Say whether a list could not be read, or not to its end; a type that the EHR does not have is neither."""
    return value is not None and (value == prefetch.UNREADABLE or pages.in_part(value))


def _check_gate(services: "Services", draft: Draft, adapted: Adapted, attested: tuple[Attestation, ...]) -> Gate:
    ehr = services.tenant(draft.ehr)
    gate, told = gates.evaluate(
        adapted.patient,
        adapted.features,
        services.knowledge,
        jurisdiction=ehr.jurisdiction,
        consent_default=ehr.consent_default,
        attestations=attested,
    )
    if gate.status == "crisis" or _needs_a_person(gate, told):
        msg = f"what the chart says by now asks for a person's look at the patient first; {_AGAIN}"
        raise Conflict("U-CHART-CRISIS", msg)
    if gate.status not in _SIGNABLE:
        raise Conflict("U-CHART-CHANGED", f"what the chart says by now closes drafting for this patient; {_AGAIN}")
    return gate


def _needs_a_person(gate: Gate, told: tuple[Escalation, ...]) -> bool:
    """Say whether drafting is closed on something that somebody must see today; plain lack of data is not new."""
    return gate.status != "open" and any(one.urgency in _SOON for one in told)


def _check_rules(draft: Draft, found: Sequence[Finding], gate: Gate) -> None:
    """Refuse what a rule says now and did not say when the draft was made, and a supply that now has a limit."""
    serious = {one.reason.rule for one in found if one.reason.severity in _SERIOUS and not one.reason.unknown}
    context = load_object(draft.context)
    new = sorted(serious - _known(context))
    if gate.warnings and not context.get("warnings"):
        msg = f"a positive screen was looked into since this draft, which limits what is dispensed; {_AGAIN}"
        raise Conflict("U-CHART-CHANGED", msg)
    if new:
        msg = f"the chart has changed since this draft and {', '.join(new)} speaks against it now; {_AGAIN}"
        raise Conflict("U-CHART-CHANGED", msg)


def _check_dose(services: "Services", draft: Draft, order: bytes, adapted: Adapted, found: Sequence[Finding]) -> None:
    """Refuse a dose above what the chart allows by now, where it allowed more when the draft was made.

    What is only missing lowers nothing here: it was missing then, or the EHR does not give it to this user.
    """
    said = [msgspec.structs.replace(one, pending=()) for one in found if not one.reason.unknown]
    indication = indications.plan(adapted.patient, adapted.features, services.knowledge).indication
    dose = dosing.dose(draft.ingredient, said, adapted.features, services.knowledge, indication)
    then = edit_rules.bounds(load_object(draft.context))
    if then is None:
        return
    if isinstance(dose, Reason) or dose.bounds is None:
        raise Conflict("U-CHART-CHANGED", f"the chart has changed and no daily dose can be drafted by now; {_AGAIN}")
    now, dosage = dose.bounds, load_object(order).get("dosageInstruction")
    asked = (
        (dosages.mg_per_day(dosage), now.ceiling, then.ceiling),
        (dosages.first_mg_per_day(dosage), now.start, then.start),
    )
    for mg, limit, before in asked:
        if limit.mg < before.mg and float(mg) > limit.mg + EXACT_MG:
            msg = f"the chart has changed since this draft and {limit.rule} allows less than this dose now; {_AGAIN}"
            raise Conflict("U-CHART-CHANGED", msg)


def _known(context: Mapping[str, Any]) -> set[str]:
    return {str(one.get("rule")) for one in context.get("reasons", ()) if not one.get("unknown")}
