"""The rows of the knowledge tables as frozen types; tables.py reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from recommender.assessment import Severity

Kind = Literal[
    "drug", "diagnosis", "age", "sex", "lab", "vital", "data", "scale", "pregnancy", "allergy", "dose",
    "setting", "history", "substance", "genetics", "monitoring", "duration", "boxed",
]  # fmt: skip
OnUnknown = Literal["block", "ask", "skip"]
Effect = Literal[
    "crisis", "consent-withheld", "out-of-scope", "insufficient-data", "escalate", "notice", "assessment", "follow-up",
    "route",
]  # fmt: skip
Recipient = Literal["crisis-team", "psychiatrist", "pharmacist", "prescriber"]
Urgency = Literal["now", "today", "routine"]
StepKind = Literal[
    "related", "initial", "later", "adjunct", "not-initial", "psychotherapy", "note", "decision", "judge", "review",
    "maintain", "continue", "respond", "optimise", "withhold", "ask", "unknown", "band", "comorbid", "route",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Basis:
    """Where a row comes from: keys of sources.csv joined by ``+``, the day, whether it was seen there."""

    source: str
    date: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One source: ``address`` is a page, a repository and path, or "this project"."""

    key: str
    address: str
    what: str


@dataclass(frozen=True, slots=True)
class Drug:
    """One formulary row. Doses are mg a day, None where the row has none or where it is not one number.

    ``substances`` are the ingredient names that a chart may use for it; ``product``, ``form`` and ``release``
    say which orderables belong to it. The geriatric values hold from ``geriatric_from_age`` (whole years).
    ``code_verified`` and ``dose_verified`` are ``site`` where a knowledge pack approved them. ``waived`` says that
    a pack took the drug off the site's formulary: what is known of it still counts, but it is not drafted.
    """

    ingredient: str
    rxnorm: str | None
    drug_class: str
    substances: frozenset[str]
    combination: bool
    indications: Mapping[str, str]
    start_mg: float | None
    usual_min_mg: float | None
    usual_max_mg: float | None
    max_mg: float | None
    geriatric_from_age: float | None
    geriatric_start_mg: float | None
    geriatric_max_mg: float | None
    doses_per_day: int | None
    product: str
    form: str
    release: str
    administration: str
    schedule: str
    boxed_warnings: tuple[str, ...]
    dose_notes: str
    code_verified: str
    dose_verified: str
    basis: Basis
    waived: str = ""


@dataclass(frozen=True, slots=True)
class Orderable:
    """One RxNorm clinical drug (SCD): ``strength_mg`` a tablet or capsule."""

    ingredient: str
    rxnorm: str
    name: str
    product: str
    strength_mg: float
    form: str
    release: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Rule:
    """One safety rule: when ``trigger`` holds, ``severity`` is said of ``drug`` (an ingredient or a class).

    ``cap_mg`` is a ceiling in mg a day. ``on_unknown`` says what a missing input does; a rule that skips says nothing
    where nobody measured it, and asks where a value could not be used. ``sex`` and ``age_from`` narrow the rule.
    Only ``evaluable`` rules are judged; ``why_not`` says why others are not.
    ``waived`` is empty but for a rule that a knowledge pack took out of force: it is then told and does nothing.
    """

    id: str
    drug: str
    kind: Kind
    trigger: str
    operator: str
    value: float | None
    unit: str
    sex: str
    age_from: float | None
    severity: Severity
    grounds: str
    cap_mg: float | None
    label: str
    message: str
    message_replacing: str
    on_unknown: OnUnknown
    evaluable: bool
    why_not: str
    basis: Basis
    waived: str = ""


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """What a rule's trigger key reads in a chart: condition keys, drugs or classes, a feature, a scale part.

    ``possible`` keys make the trigger unknown, not true; of a coded feature (genetics, substance) both are its codes.
    Where ``complete`` is false, finding nothing proves nothing. ``scale`` reads ``scale/part>=number``. A value that
    sources want only of those at risk has ``asked_with``: ``condition:key`` or ``drug:class``, one of which is enough.
    """

    kind: Kind
    key: str
    conditions: tuple[str, ...]
    drugs: tuple[str, ...]
    feature: str
    scale: str
    possible: tuple[str, ...]
    asked_with: tuple[str, ...]
    complete: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger with its drugs spelled out.

    ``drugs`` are ingredient names, ``classes`` the class names behind them; ``possible`` are class names (for
    a drug of which only the class is known) or condition keys that make it unknown. ``risks`` are the condition keys,
    drugs and classes with which its value is wanted, empty where it always is.
    """

    row: TriggerRow
    drugs: frozenset[str]
    classes: frozenset[str]
    possible: frozenset[str]
    scale: tuple[str, str, float] | None
    risks: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class that the code tables do not hold; members are ingredients or classes, ``*`` the formulary."""

    name: str
    members: tuple[str, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate: ``reads`` is ``feature:…``, ``scale:…/…``, ``condition:…``, ``list:…`` or a named reading.

    Of a condition, ``except_codes`` (history codes) do not count; ``only_codes``, where given, alone do. ``taking``
    is a drug or class that must be taken for the row to hold (``a+b``: both); ``focus``, where given, are the
    conditions of which one must be planned for (``none``: no one is). What was found no longer stands once something of
    ``superseded_by`` came later (``scale/part``, or the id of a row of effect ``assessment``); it counts as looked
    into once something of ``assessed_by`` (such ids) did, and drafting then opens again where it ``reopens``.
    """

    id: str
    effect: Effect
    reads: str
    operator: str
    value: str
    window_days: int | None
    except_codes: frozenset[str]
    only_codes: frozenset[str]
    taking: str
    focus: frozenset[str]
    superseded_by: tuple[str, ...]
    assessed_by: tuple[str, ...]
    reopens: bool
    to: Recipient | None
    urgency: Urgency
    message: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class JurisdictionRow:
    """A jurisdiction (ISO 3166), ``*`` for all others, empty where none is stated.

    ``places`` are the countries of a union; ``consent`` is ``opt-in`` where the law asks for a permission first.
    """

    jurisdiction: str
    places: frozenset[str]
    open: bool
    consent: str
    notice: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class StepRow:
    """One line of a guideline for ``condition`` (``*`` for whichever is treated) at ``step`` ("any" for each).

    ``line`` is the line of treatment, 1 first, None where the guideline does not order. ``reads``, ``operator`` and
    ``value`` may hold several tests joined by ``&``: the row holds where all of them do.
    """

    id: str
    condition: str
    step: str
    kind: StepKind
    line: int | None
    drugs: tuple[str, ...]
    reads: str
    operator: str
    value: str
    message: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class CrossReaction:
    """A recorded allergy to ``allergen`` (ingredient or class) that speaks against ``drug``; ``waived`` as a rule's."""

    id: str
    allergen: str
    drug: str
    severity: Severity
    message: str
    basis: Basis
    waived: str = ""


@dataclass(frozen=True, slots=True)
class TreatedCondition:
    """A condition key, the name that an assessment gives it, its words, and its key in the formulary's indications.

    Of several the one of lowest ``order`` is planned for, never one without; drugs are drafted where ``drafting``.
    """

    key: str
    name: str
    words: str
    indication: str
    order: int | None
    drafting: bool
    basis: Basis
