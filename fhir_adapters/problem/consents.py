"""Consents to decisions on AI decision support: by our own code, or as denials of care as a whole.

A denial is read as wide as it can mean, a permission as narrow: one for research is none for care, and one for a part
of the chart is none for the whole. What cannot be understood of a denial denies.
``provision.type`` of the root is the base rule and nested provisions are its exceptions
(http://hl7.org/fhir/R4/consent.html); a root without a type has the type of the policy that it is signed under. An
organisation that a denial names may be ours, a person is not; a permission for somebody named is not for us. What
has no period of its own begins with the Consent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from msgspec.structs import replace

from fhir_adapters.canonical import ConsentDecision, Refusal
from fhir_adapters.facts import Reading, codes, first_day, last_day, newest_first, source
from fhir_adapters.reading import wire
from fhir_adapters.reading.reader import reference_of

AI_DECISION_SUPPORT = ("https://undersign.dev/fhir/CodeSystem/consent", "ai-decision-support")
_ENDED = frozenset({"draft", "proposed", "rejected", "inactive", "entered-in-error"})
_SCOPES_ELSEWHERE = frozenset({"research", "adr"})  # http://hl7.org/fhir/R4/valueset-consent-scope.html
_TREATMENT = "TREAT"  # v3-PurposeOfUse
# http://terminology.hl7.org/CodeSystem/v3-ActCode: the patient dissents, wholly or with exceptions.
_OPTED_OUT = frozenset({"OPTOUT", "OPTOUTE"})
_PERSONS = frozenset({"Patient", "Practitioner", "PractitionerRole", "RelatedPerson"})
Decision = Literal["deny", "permit", "not-about-ai", "unreadable"]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One provision with its place in the tree and the period that it stands in."""

    provision: wire.Provision
    path: str
    depth: int
    period: wire.Period | None


def read(reading: Reading) -> tuple[tuple[ConsentDecision, ...], tuple[Refusal, ...]]:
    """Return what each active Consent decides, and the Consents that are not in force."""
    decisions: list[ConsentDecision] = []
    refusals: list[Refusal] = []
    for consent in reading.chart.consents:
        reference = reference_of(consent)
        if consent.status in _ENDED:
            refusals.append(Refusal(reference, "status", consent.status))
        else:
            decisions.extend(_decisions(reading, consent, reference))
    dated = _undated_doubted(decisions)
    ordered = newest_first(dated, lambda one: (one.start, None), lambda one: (one.source.reference,))
    return ordered, tuple(refusals)


def _undated_doubted(decisions: list[ConsentDecision]) -> list[ConsentDecision]:
    """Return the decisions; a permission without a date beside a denial cannot be told to be the later word."""
    if not any(one.decision == "deny" for one in decisions):
        return decisions
    return [
        ConsentDecision("unreadable", "permission-undated", None, None, one.source)
        if one.decision == "permit" and one.start is None
        else one
        for one in decisions
    ]


def _decisions(reading: Reading, consent: wire.Consent, reference: str) -> Iterator[ConsentDecision]:
    def decide(kind: Decision, why: str, rule: _Rule) -> ConsentDecision:
        start, end = _span(rule.period, consent.dateTime, widest=kind != "permit")
        origin = source(reading, reference, rule.path, "consents.provision")
        by = last_day((rule.period or wire.Period()).start or consent.dateTime) if kind == "deny" else None
        return ConsentDecision(kind, why, start, end, origin, by)

    root = _root(consent)
    # A Consent without a provision says what it says by its policy.
    own = "provision" if consent.provision else "policyRule" if consent.policyRule else "status"
    rules = tuple(_rules(root, own, 0, None)) if root else ()
    whole = _Rule(wire.Provision(), own, 0, None)
    denials = [(rule, why) for rule in rules if (why := _denial(reading, rule, consent))]
    named = [rule for rule in rules if _names_ai(reading, rule.provision) and not _is_elsewhere(rule, consent)]
    if consent.status != "active":
        yield decide("unreadable", "status-unknown", _Rule(whole.provision, "status", 0, None))
    elif any(rule.provision.type is None for rule in named):
        yield decide("unreadable", "provision-without-type", named[0])
    elif explicit := _overriding(denials, named):
        yield from (decide("deny", why, rule) for rule, why in explicit)
    elif named:
        permits = (_permission(decide("permit", "names-ai-decision-support", rule), rule) for rule in named)
        yield from (_verified(permit, consent) for permit in permits)
    else:
        yield decide("not-about-ai", "no-provision-on-ai", rules[0] if rules else whole)


def _root(consent: wire.Consent) -> wire.Provision | None:
    """Return the base rule, with the type that the policy gives where the provision has none of its own."""
    opted = {coding.code for coding in consent.policyRule.coding} & _OPTED_OUT if consent.policyRule else None
    if not opted or (consent.provision and consent.provision.type is not None):
        return consent.provision
    return replace(consent.provision or wire.Provision(), type="deny")


def _rules(provision: wire.Provision, path: str, depth: int, outer: wire.Period | None) -> Iterator[_Rule]:
    period = provision.period or outer
    yield _Rule(provision, path, depth, period)
    for index, inner in enumerate(provision.provision):
        yield from _rules(inner, f"{path}.provision[{index}]", depth + 1, period)


def _denial(reading: Reading, rule: _Rule, consent: wire.Consent) -> str | None:
    """Return why this provision denies AI decision support, None when it does not."""
    provision = rule.provision
    if provision.type != "deny":
        return None
    if _names_ai(reading, provision):
        return "names-ai-decision-support"
    if _scope(consent) in _SCOPES_ELSEWHERE or _for_persons(provision):
        return None
    if rule.depth == 0:
        return "denies-care-or-privacy"
    narrowed = bool(provision.purpose or provision.code or provision.action or provision.data)
    treats = any(coding.code == _TREATMENT for coding in provision.purpose)
    return "denies-treatment-use" if treats or not narrowed else None


def _overriding(denials: list[tuple[_Rule, str]], named: list[_Rule]) -> list[tuple[_Rule, str]]:
    """Return the denials in force: an exception that permits AI by name lifts a base rule that denies."""
    permitted = any(rule.provision.type == "permit" and rule.depth > 0 for rule in named)
    return [(rule, why) for rule, why in denials if not (permitted and why == "denies-care-or-privacy")]


def _permission(decision: ConsentDecision, rule: _Rule) -> ConsentDecision:
    """Return the permission, or why it cannot be gone by: a period that cannot be read, a part of the chart alone."""
    given = rule.provision
    if given.data or given.dataPeriod or given.class_ or given.securityLabel:
        return ConsentDecision("unreadable", "permission-limited", None, None, decision.source)
    period = rule.period or wire.Period()
    lost = (period.start and decision.start is None) or (period.end and decision.end is None)
    if rule.provision.type == "permit" and not lost:
        return decision
    return ConsentDecision("unreadable", "permission-unreadable", None, None, decision.source)


def _verified(decision: ConsentDecision, consent: wire.Consent) -> ConsentDecision:
    """Return the permission, or that it is unreadable when the Consent says that nobody confirmed it."""
    checks = consent.verification
    if decision.decision != "permit" or not checks or any(one.verified for one in checks):
        return decision
    return ConsentDecision("unreadable", "permission-not-verified", None, None, decision.source)


def _span(period: wire.Period | None, signed: str | None, *, widest: bool) -> tuple[date | None, date | None]:
    period = period or wire.Period()
    start = period.start or signed
    if widest:
        return first_day(start), last_day(period.end)
    return last_day(start), first_day(period.end)


def _for_persons(provision: wire.Provision) -> bool:
    """Return whether a rule is about people by name alone: one nurse, the patient's sister."""
    return bool(provision.actor) and all(_kind(actor) in _PERSONS for actor in provision.actor)


def _is_elsewhere(rule: _Rule, consent: wire.Consent) -> bool:
    """Return whether a permission is for research, or for somebody named who is no device: that is not us."""
    if rule.provision.type != "permit":
        return False
    actors = rule.provision.actor
    named = bool(actors) and all(_kind(actor) != "Device" for actor in actors)
    return named or _scope(consent) in _SCOPES_ELSEWHERE


def _kind(actor: wire.ProvisionActor) -> str:
    reference = actor.reference or wire.Reference()
    return reference.type or (reference.reference or "").rpartition("/")[0].rpartition("/")[2]


def _scope(consent: wire.Consent) -> str | None:
    found = {coding.code for coding in consent.scope.coding if coding.code} if consent.scope else set[str]()
    return found.pop() if len(found) == 1 else None


def _names_ai(reading: Reading, provision: wire.Provision) -> bool:
    concepts = (*provision.code, *provision.action)
    codings = [*provision.purpose, *(coding for concept in concepts for coding in concept.coding)]
    return AI_DECISION_SUPPORT in codes(reading, codings)
