"""The chart once more, in the moment of a signature: what has come into it since the draft was held.

A draft that a changed chart replaces is replaced only when somebody opens that chart. So what the tenant's profile
searches is read again with the signer's own token, and the gates and the rules on this drug are asked again. Only what
speaks against signing counts: a list that the EHR does not give this user was judged when the draft was made, and the
record of the signature names it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from fhir_adapters.errors import InputError
from fhir_adapters.survey import wanted
from recommender.assessment import Attestation, Escalation, Gate
from recommender.gate import gates
from recommender.safety import rules
from service import site_time
from service.drafts import alarms, attesting, checks, consenting
from service.drafts.canonical_json import load_object
from service.drafts.records import Draft
from service.ehr import prefetch
from service.errors import Conflict, EhrFailed

if TYPE_CHECKING:
    from service.bootstrap import Services

_AGAIN: Final = "open the chart again"
_SERIOUS: Final = ("contraindicated", "warning")
_SOON: Final = ("now", "today")
# What could be read is judged, whatever else could not. Consents are read by themselves (``consent_reading``).
_TEMPLATES: Final = tuple(
    replace(one, required=False, decisive=False) for one in wanted.templates() if one.key != "consents"
)


async def check(services: "Services", draft: Draft, token: str) -> dict[str, Any]:
    """Refuse a draft that the chart speaks against by now; returns what the record says was not read, by key.

    Conflict U-CHART-CRISIS where an answer or a record of it closes drafting until a person has looked; U-CHART-CHANGED
    where a gate closes or a rule that did not hold speaks against the drug. EhrFailed where the patient cannot be read;
    the caller has asked whether the record is in use.
    """
    profile, patient = services.profiles[draft.ehr], draft.patient.removeprefix("Patient/")
    client = services.clients[draft.ehr]
    values = await prefetch.complete({}, _TEMPLATES, patient, client, token, profile)
    today = site_time.local(await services.store.now(), profile).date()
    try:
        adapted = adapt_prefetch(values, patient, today, profile, checked=True)
    except InputError as error:
        raise EhrFailed("U-EHR-ANSWER", f"the chart as the EHR gives it now cannot be read: {error.code}") from error
    consent = await consenting.of_patient(services.store, draft.ehr, draft.patient)
    adapted = consenting.with_word(adapted, consent, profile)
    recorded = await services.store.attestations(draft.ehr, draft.patient)
    if recorded and recorded[-1].result == "stays-closed":
        return {}  # the store refuses the signature itself, by that name
    attested = tuple(attesting.known(one, profile) for one in recorded)
    unread = sorted(one.key for one in _TEMPLATES if _is_wanting(values.get(one.key)))
    try:
        gate = _check_gate(services, draft, adapted, attested)
        if not gate.warnings and await alarms.standing(services, draft.ehr, adapted) is not None:
            raise Conflict("U-CHART-CRISIS", f"a crisis card was shown and nobody has answered it since; {_AGAIN}")
        _check_rules(services, draft, adapted, gate)
    except Conflict:
        # What changed in the chart may be this very draft, signed by another a moment ago: then that is what is said.
        checks.unsigned(await services.store.read(draft.id), await services.store.now())
        raise
    return {"chart_unread": unread} if unread else {}


def _is_wanting(value: bytes | None) -> bool:
    """Say whether a list could not be read, or not to its end; a type that the EHR does not have is neither."""
    return value is not None and (value == prefetch.UNREADABLE or prefetch.in_part(value))


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
    if gate.status in ("out-of-scope", "jurisdiction"):
        raise Conflict("U-CHART-CHANGED", f"what the chart says by now closes drafting for this patient; {_AGAIN}")
    return gate


def _needs_a_person(gate: Gate, told: tuple[Escalation, ...]) -> bool:
    """Say whether drafting is closed on something that somebody must see today; plain lack of data is not new."""
    return gate.status != "open" and any(one.urgency in _SOON for one in told)


def _check_rules(services: "Services", draft: Draft, adapted: Adapted, gate: Gate) -> None:
    """Refuse what a rule says now and did not say when the draft was made, and a supply that now has a limit."""
    found = rules.evaluate(draft.ingredient, adapted.patient, adapted.features, services.knowledge)
    serious = {one.reason.rule for one in found if one.reason.severity in _SERIOUS and not one.reason.unknown}
    context = load_object(draft.context)
    new = sorted(serious - _known(context))
    if gate.warnings and not context.get("warnings"):
        msg = f"a positive screen was looked into since this draft, which limits what is dispensed; {_AGAIN}"
        raise Conflict("U-CHART-CHANGED", msg)
    if new:
        msg = f"the chart has changed since this draft and {', '.join(new)} speaks against it now; {_AGAIN}"
        raise Conflict("U-CHART-CHANGED", msg)


def _known(context: Mapping[str, Any]) -> set[str]:
    return {str(one.get("rule")) for one in context.get("reasons", ()) if not one.get("unknown")}
