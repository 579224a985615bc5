"""The result of an assessment: frozen, complete, and the shape that ``assess --json`` prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import msgspec

from recommender.ranker.results import Explanation, SymptomChange

Severity = Literal["contraindicated", "warning", "caution", "monitor", "none"]
Verdict = Literal["excluded", "offered", "eligible", "not-draftable", "abstained"]
GateStatus = Literal["open", "crisis", "consent-withheld", "jurisdiction", "out-of-scope", "insufficient-data"]
ConsentDefault = Literal["opt-out", "opt-in"]
SEVERITIES: tuple[Severity, ...] = ("contraindicated", "warning", "caution", "monitor", "none")


class Reason(msgspec.Struct, frozen=True, gc=False):
    """One sentence about one drug, with the rule and source behind it.

    A struct, because an assessment makes hundreds of them.

    ``unknown`` is true when the rule's input was missing: the severity is then the rule's, and
    ``missing`` names the input and ``gap`` says how (``is not on file``). ``blocks`` is true when the reason
    alone excludes the drug. ``facts`` are the references of the chart resources that it stands on. ``settled``: the
    dose or the plan already does what it asks for, so it is told and does not count against the drug. ``at_risk``
    is false where sources want the missing input only of patients at a risk that this chart does not show.
    """

    rule: str
    severity: Severity
    message: str
    source: str
    verified: bool
    unknown: bool = False
    missing: str | None = None
    gap: str | None = None
    blocks: bool = False
    facts: tuple[str, ...] = ()
    settled: bool = False
    at_risk: bool = True


@dataclass(frozen=True, slots=True)
class Attestation:
    """A practitioner's word that this patient's suicide risk was assessed in person, and who sees the patient next.

    ``by`` and ``review_by`` are references or names as the site shows them; ``day`` is the local day of the
    assessment and ``moment`` its instant in UTC (``2026-10-01T08:30:00+00:00``) where known. ``result`` is what the
    practitioner decides about drafting, no score of risk.
    """

    by: str
    day: date
    result: Literal["may-open", "stays-closed"]
    review_by: str
    review_on: date
    moment: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether drafting is open; every other status names why in ``reasons``.

    ``warnings`` and ``supply_days`` (dispense for so many days at most) hold where drafting is open again after a
    positive screen. ``silent``: consent or law forbid that anything is worked out for this patient, whatever the
    status.
    """

    status: GateStatus
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    supply_days: int | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Escalation:
    """A person to tell."""

    to: Literal["crisis-team", "psychiatrist", "pharmacist", "prescriber"]
    urgency: Literal["now", "today", "routine"]
    reason: str
    rule: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A dose in mg a day that is not to be passed; ``rule`` is what sets it, ``words`` add the chart fact."""

    mg: float
    rule: str
    words: str
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """What any dose of one drug is judged by in this patient: kept with a draft, so that an edit meets the same rules.

    ``drug`` is the formulary's name; ``start`` and ``ceiling`` hold after every adjustment.
    """

    drug: str
    start: Bound
    ceiling: Bound
    doses_per_day: int | None


@dataclass(frozen=True, slots=True)
class Dose:
    """Oral dose in mg a day; ``max`` is the ceiling after every adjustment named in ``adjusted_by``.

    ``pending`` says what is not known and would lower the dose. ``form`` is tablet or capsule. ``bounds`` judge an
    edited dose.
    """

    start_mg_per_day: float
    max_mg_per_day: float
    doses_per_day: int
    adjusted_by: tuple[str, ...]
    titration: str
    orderable: str
    orderable_name: str
    strength_mg: float
    pending: tuple[str, ...] = ()
    form: str = ""
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True)
class Supply:
    """For how many days, and with how many repeats, a draft lets dispense at most, with the rows that say so."""

    days: int
    repeats: int
    rules: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Switch:
    """How to change from a present drug to a candidate, in words, never an order.

    ``rule`` is the row behind it, empty where none holds; ``way`` its kind (``cross-taper``, ``wash-out``, …,
    ``unknown``).
    """

    replaces: str
    rule: str
    way: str
    plan: str
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """A probability with its 80 % interval, all in 0..1."""

    p: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A drug that was considered, the excluded ones too. ``rxnorm`` is the ingredient's code.

    ``near_best`` is the chance, over what the evidence leaves open, that the drug is within two points of utility of
    the best that could be offered; ``not_known`` are the outcomes that no evidence row tells for it.
    """

    ingredient: str
    rxnorm: str | None
    verdict: Verdict
    severity: Severity
    reasons: tuple[Reason, ...]
    dose: Dose | None = None
    predictions: Mapping[str, Prediction] | None = None
    utility: float | None = None
    band: int | None = None
    switch: tuple[Switch, ...] = ()
    near_best: float | None = None
    not_known: tuple[str, ...] = ()
    symptom_change: SymptomChange | None = None


@dataclass(frozen=True, slots=True)
class CurrentDrug:
    """What the same rules say of a drug that the patient already takes.

    ``other_use``: an antidepressant that is taken for something else, so that no option takes its place.
    """

    ingredient: str
    reasons: tuple[Reason, ...]
    since: date | None = None
    dose_mg_per_day: float | None = None
    reference: str | None = None
    predictions: Mapping[str, Prediction] | None = None
    other_use: bool = False


@dataclass(frozen=True, slots=True)
class Assessment:
    """The whole answer for one patient on one day.

    ``offered`` names the ingredients that a card offers, best band first; ``drafts`` are their R4
    MedicationRequests as plain JSON objects, in the same order. ``unknowns`` are the missing inputs that matter for
    the offered drugs (without one, for those named or taken), in words, most serious first. ``focus`` is the
    condition that is planned for, None where none is certain; ``step_reasons`` say what the guidelines say at
    ``step``, psychotherapy among it, and how the treatment history reads; ``ranked_by`` says in words what orders
    the drugs; ``named`` are, in that order, the options of a condition that the model does not rank, those without
    a draft too. ``supply`` limits what a draft lets dispense. ``explanation`` says why the model's drugs stand in
    their order.
    """

    patient: str
    as_of: date
    gate: Gate
    escalations: tuple[Escalation, ...]
    conditions: tuple[str, ...]
    step: str | None
    candidates: tuple[Candidate, ...]
    current: tuple[CurrentDrug, ...]
    offered: tuple[str, ...]
    unknowns: tuple[str, ...]
    drafts: tuple[Mapping[str, Any], ...]
    versions: Mapping[str, str]
    no_change: Mapping[str, Prediction] | None = None
    focus: str | None = None
    step_reasons: tuple[Reason, ...] = ()
    ranked_by: str = ""
    named: tuple[str, ...] = ()
    supply: Supply | None = None
    explanation: Explanation | None = None
