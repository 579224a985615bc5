"""Gates: whether drafting is open for this patient at all, and whom to tell.

Which answers, diagnoses and values count is data (gates.csv, jurisdictions.csv); the order is fixed: crisis,
consent withheld, jurisdiction, out of scope, insufficient data.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from fhir_adapters.canonical import CanonicalPatient, ConsentDecision, FeatureVector
from recommender.assessment import Attestation, ConsentDefault, Escalation, Gate, GateStatus
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.rows import JurisdictionRow
from recommender.gate import crisis, gate_readings
from recommender.gate.gate_readings import GateChart, Hit, with_effect

_URGENCY = {"now": 0, "today": 1, "routine": 2}
_READ_ELSEWHERE = frozenset({"assessment", "follow-up", "route"})
_CLOSING: tuple[GateStatus, ...] = ("out-of-scope", "insufficient-data")
_ISO_3166 = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", re.ASCII)


def evaluate(
    patient: CanonicalPatient,
    features: FeatureVector,
    knowledge: Knowledge,
    *,
    jurisdiction: str | None,
    consent_default: ConsentDefault = "opt-out",
    attestations: Sequence[Attestation] = (),
) -> tuple[Gate, tuple[Escalation, ...]]:
    """Return the gate and the people to tell, most urgent first.

    ``jurisdiction`` is an ISO 3166 code (``US-NV``, ``DE``). ``consent_default`` says what no Consent on file means:
    ``opt-out`` goes on, ``opt-in`` asks for a permission first. ``attestations`` are practitioners' words on suicide
    risk. The reasons of an open gate are notices, its warnings what an assessment after a positive screen leaves to
    be done. What a person must see now or today is told whatever closes the gate, except of a patient recorded as
    deceased.
    """
    consent = _consent_rule(consent_default, jurisdiction, knowledge)
    chart = gate_readings.chart(patient, features, knowledge, attestations, consent)
    read = (row for row in knowledge.gates if row.effect not in _READ_ELSEWHERE)
    hits = crisis.settle((hit for row in read for hit in gate_readings.hits(row, chart)), chart)
    dead = tuple(hit for hit in hits if hit.row.reads == "deceased")
    if dead:
        return Gate("out-of-scope", _messages(dead)), ()
    gate = _gate(hits, chart, jurisdiction)
    waiting = (*with_effect(hits, "crisis"), *with_effect(hits, "insufficient-data"))
    calling = {(hit.row.reads, hit.day) for hit in waiting}
    told = (hit for hit in hits if hit.row.effect != "escalate" or (hit.row.reads, hit.day) not in calling)
    return gate, _escalations(hit for hit in told if _is_told(hit, gate))


def routes(ingredient: str, knowledge: Knowledge) -> tuple[Escalation, ...]:
    """Return who decides before this drug is begun, by ingredient or formulary name; empty where no row says."""
    drug = knowledge.drug(ingredient)
    rows = knowledge.routes.get(ingredient) or (knowledge.routes.get(drug.ingredient) if drug else None) or ()
    return tuple(Escalation(row.to or "prescriber", row.urgency, row.message, row.id) for row in rows)


def _gate(hits: tuple[Hit, ...], chart: GateChart, jurisdiction: str | None) -> Gate:
    refused = (
        *_refusing(chart.patient.consents, chart.day),
        *_messages(with_effect(hits, "consent-withheld")),
    )
    place = _jurisdiction(chart.knowledge, jurisdiction)
    notices = (place.notice,) if place.notice else ()
    silent = bool(refused) or not place.open
    crises = with_effect(hits, "crisis")
    if crises:
        return Gate("crisis", _messages(crises), silent=silent)
    if refused:
        return Gate("consent-withheld", refused, silent=True)
    if not place.open:
        return Gate("jurisdiction", notices, silent=True)
    for status in _CLOSING:
        closing = tuple(hit for hit in hits if _closes(hit) == status)
        if closing:
            return Gate(status, _messages(closing))
    warnings = tuple(hit for hit in with_effect(hits, "follow-up") if not hit.row.value)
    limit = crisis.supply_days(warnings, chart)
    return Gate("open", (*_messages(with_effect(hits, "notice")), *notices), _messages(warnings), limit)


def _closes(hit: Hit) -> str:
    """Return the status that a row closes with: its effect; of a follow-up, its value, empty when it leaves open."""
    return hit.row.value if hit.row.effect == "follow-up" else hit.row.effect


def _is_told(hit: Hit, gate: Gate) -> bool:
    if hit.row.effect == "follow-up" and not hit.row.value:
        return gate.status == "open"  # how to dispense is no word beside a closed gate
    always = hit.row.effect in ("crisis", "escalate") or hit.row.urgency != "routine"
    return always or _closes(hit) == gate.status


def _messages(hits: Iterable[Hit]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hit.message for hit in hits))


def _escalations(hits: Iterable[Hit]) -> tuple[Escalation, ...]:
    told: dict[str, Escalation] = {}
    for hit in hits:
        if hit.row.to:
            told.setdefault(hit.message, Escalation(hit.row.to, hit.row.urgency, hit.message, hit.row.id))
    return tuple(sorted(told.values(), key=lambda one: (_URGENCY[one.urgency], one.rule)))


def _refusing(consents: tuple[ConsentDecision, ...], day: date) -> tuple[str, ...]:
    """Return why consent is withheld: the newest decision in force denies, or one cannot be read.

    Decisions without a start, and denials that may be of the same day as the newest permit or later, count as it.
    """
    in_force = [one for one in consents if gate_readings.in_force(one, day)]
    unreadable = tuple(one.reason for one in in_force if one.decision == "unreadable")
    decided = [one for one in in_force if one.decision in ("deny", "permit")]
    if not decided:
        return unreadable
    newest = max(one.start or date.max for one in decided)
    denying = (one for one in decided if one.decision == "deny")
    return (
        tuple(one.reason for one in denying if max(one.start or date.max, one.start_by or date.min) >= newest)
        + unreadable
    )


def _consent_rule(site: ConsentDefault, jurisdiction: str | None, knowledge: Knowledge) -> ConsentDefault:
    """Return the stricter of what the site sets and what the law of the place asks."""
    return "opt-in" if "opt-in" in (site, _jurisdiction(knowledge, jurisdiction).consent) else "opt-out"


def _jurisdiction(knowledge: Knowledge, code: str | None) -> JurisdictionRow:
    """Return the row of a place: of the state, its country, a union that holds it, else ``*``.

    What is no ISO 3166 code says nothing about the place, and counts as none.
    """
    rows = knowledge.jurisdictions
    stated = (code or "").strip().upper()
    if not _ISO_3166.fullmatch(stated):
        return rows[""]
    country = stated.partition("-")[0]
    union = (row for row in rows.values() if country in row.places)
    exact = rows.get(stated) or next(union, None)
    return exact or (rows[country] if country == stated and country in rows else rows["*"])
