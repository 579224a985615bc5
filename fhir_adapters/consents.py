"""Consents to decisions on AI decision support: by our own code, or as denials of care as a whole.

A denial is read as wide as it can mean, a permission as narrow; what cannot be understood of a denial denies.
``provision.type`` of the root is the base rule and nested provisions are its exceptions
(http://hl7.org/fhir/R4/consent.html).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from fhir_adapters import wire
from fhir_adapters.canonical import ConsentDecision, Refusal
from fhir_adapters.facts import Reading, codes, first_day, last_day, newest_first, source
from fhir_adapters.reader import reference_of

AI_DECISION_SUPPORT = ("https://undersign.dev/fhir/CodeSystem/consent", "ai-decision-support")
_ENDED = frozenset({"draft", "proposed", "rejected", "inactive", "entered-in-error"})
_SCOPES_ELSEWHERE = frozenset({"research", "adr"})  # http://hl7.org/fhir/R4/valueset-consent-scope.html
_TREATMENT = "TREAT"  # v3-PurposeOfUse
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
    ordered = newest_first(decisions, lambda one: (one.start, None), lambda one: (one.source.reference,))
    return ordered, tuple(refusals)


def _decisions(reading: Reading, consent: wire.Consent, reference: str) -> Iterator[ConsentDecision]:
    def decide(kind: Decision, why: str, rule: _Rule) -> ConsentDecision:
        start, end = _span(rule.period, widest=kind != "permit")
        origin = source(reading, reference, rule.path, "consents.provision")
        return ConsentDecision(kind, why, start, end, origin)

    rules = tuple(_rules(consent.provision, "provision", 0, None)) if consent.provision else ()
    whole = _Rule(wire.Provision(), "provision", 0, None)
    denials = [(rule, why) for rule in rules if (why := _denial(reading, rule, consent))]
    named = [rule for rule in rules if _names_ai(reading, rule.provision)]
    if consent.status != "active":
        yield decide("unreadable", "status-unknown", whole)
    elif any(rule.provision.type is None for rule in named):
        yield decide("unreadable", "provision-without-type", named[0])
    elif explicit := _overriding(denials, named):
        yield from (decide("deny", why, rule) for rule, why in explicit)
    elif named:
        yield from (_permission(decide("permit", "names-ai-decision-support", rule), rule) for rule in named)
    else:
        yield decide("not-about-ai", "no-provision-on-ai", rules[0] if rules else whole)


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
    if _scope(consent) in _SCOPES_ELSEWHERE:
        return None
    if rule.depth == 0:
        return "denies-care-or-privacy"
    narrowed = bool(provision.purpose or provision.code or provision.action)
    treats = any(coding.code == _TREATMENT for coding in provision.purpose)
    return "denies-treatment-use" if treats or not narrowed else None


def _overriding(denials: list[tuple[_Rule, str]], named: list[_Rule]) -> list[tuple[_Rule, str]]:
    """Return the denials in force: an exception that permits AI by name lifts a base rule that denies."""
    permitted = any(rule.provision.type == "permit" and rule.depth > 0 for rule in named)
    return [(rule, why) for rule, why in denials if not (permitted and why == "denies-care-or-privacy")]


def _permission(decision: ConsentDecision, rule: _Rule) -> ConsentDecision:
    """Return the permission, or that it is unreadable when its period is written but cannot be read."""
    period = rule.period or wire.Period()
    lost = (period.start and decision.start is None) or (period.end and decision.end is None)
    if rule.provision.type == "permit" and not lost:
        return decision
    return ConsentDecision("unreadable", "permission-unreadable", None, None, decision.source)


def _span(period: wire.Period | None, *, widest: bool) -> tuple[date | None, date | None]:
    period = period or wire.Period()
    if widest:
        return first_day(period.start), last_day(period.end)
    return last_day(period.start), first_day(period.end)


def _scope(consent: wire.Consent) -> str | None:
    found = {coding.code for coding in consent.scope.coding if coding.code} if consent.scope else set[str]()
    return found.pop() if len(found) == 1 else None


def _names_ai(reading: Reading, provision: wire.Provision) -> bool:
    concepts = (*provision.code, *provision.action)
    codings = [*provision.purpose, *(coding for concept in concepts for coding in concept.coding)]
    return AI_DECISION_SUPPORT in codes(reading, codings)
