"""Checks of the knowledge tables against each other, the code tables and the feature schema."""

from collections.abc import Iterable, Mapping

from fhir_adapters.schema import BY_NAME
from fhir_adapters.terminology import Terminology
from recommender.errors import KnowledgeError
from recommender.rows import Drug, GateRow, Kind, Rule, StepRow, Trigger, TriggerRow
from recommender.tables import Table, cell

COMPARISONS = frozenset({">", ">=", "<", "<="})
OPERATORS: Mapping[Kind, frozenset[str]] = {
    "drug": frozenset({"active", "active_or_within_days", ">="}),
    "diagnosis": frozenset({"present", "ever", "absent", ">="}),
    "setting": frozenset({"absent"}),
    "age": COMPARISONS,
    "lab": COMPARISONS,
    "vital": COMPARISONS,
    "data": COMPARISONS,
    "dose": COMPARISONS,
    "scale": frozenset({">=", "positive"}),
    "pregnancy": frozenset({"present"}),
    "allergy": frozenset({"present", "ever"}),
    "sex": frozenset({"present"}),
}
MEASURED: frozenset[Kind] = frozenset({"age", "lab", "vital"})
PREGNANCY = frozenset(
    {"pregnant", "first_trimester", "breastfeeding", "childbearing_potential", "unknown_and_childbearing_age"}
)
GATE_OPERATORS: Mapping[str, frozenset[str]] = {
    "feature": COMPARISONS | {"=", "absent"},
    "scale": frozenset({">=", "="}),
    "condition": frozenset({"active", "recent", "ever"}),
    "list": frozenset({"absent", "partial"}),
    "deceased": frozenset({"is"}),
    "depression": frozenset({"absent", "unknown"}),
    "trials": frozenset({">="}),
}
STEP_READINGS = frozenset({"", "trials"})
STEP_OPERATORS = COMPARISONS | {"", "between"}
_KEYS: Mapping[str, tuple[str, ...]] = {"triggers": ("kind", "key")}
_WITHOUT_SOURCE = frozenset({"sources"})


def check_keys(read: Mapping[str, Table]) -> None:
    """Refuse two rows of one key (U-KNOWLEDGE-DUPLICATE) and a source not listed (U-KNOWLEDGE-SOURCE)."""
    listed = {cell(row, "key") for row in read["sources"]}
    for name, rows in read.items():
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            columns = _KEYS.get(name, ("rxnorm",) if name == "orderables" else (next(iter(row)),))
            key = tuple(cell(row, column) for column in columns)
            if key in seen:
                raise KnowledgeError("U-KNOWLEDGE-DUPLICATE", f"{name}: {'/'.join(key)} is there twice")
            seen.add(key)
            if name not in _WITHOUT_SOURCE:
                _check_sources(name, row, listed)


def _check_sources(name: str, row: Mapping[str, str], listed: set[str]) -> None:
    columns = ("source", "unknown_source") if "unknown_source" in row else ("source",)
    for key in (key for column in columns for key in cell(row, column).split("+")):
        if key not in listed:
            raise KnowledgeError("U-KNOWLEDGE-SOURCE", f"{name}: source {key!r} is not in sources.csv")


def check_rules(
    rules: Iterable[Rule],
    mapped: Mapping[tuple[Kind, str], Trigger],
    classes: Mapping[str, frozenset[str]],
    drugs: Mapping[str, Drug],
) -> None:
    """Refuse an unknown operator, a rule without a mapped trigger, an unknown drug or unit, a silent gap."""
    known = _known(classes, drugs)
    for rule in rules:
        if rule.drug not in known:
            raise KnowledgeError("U-KNOWLEDGE-DRUG", f"{rule.id}: {rule.drug!r} is in no class and no formulary row")
        if rule.evaluable:
            trigger = mapped.get((rule.kind, rule.trigger))
            _check_rule(rule, trigger.row if trigger else None)
        elif not rule.why_not:
            raise KnowledgeError("U-KNOWLEDGE-VALUE", f"{rule.id}: not evaluable, and why_not is empty")


def _known(classes: Mapping[str, frozenset[str]], drugs: Mapping[str, Drug]) -> set[str]:
    return set(drugs) | set(classes) | {one for held in classes.values() for one in held}


def check_triggers(
    rows: Iterable[TriggerRow],
    classes: Mapping[str, frozenset[str]],
    drugs: Mapping[str, Drug],
    terms: Terminology,
) -> None:
    """Refuse a trigger that reads a condition key, drug, feature or scale part which does not exist."""
    for row in rows:
        _check_trigger(row, _known(classes, drugs) | set(terms.drug_names.values()), terms)


def _check_rule(rule: Rule, trigger: TriggerRow | None) -> None:
    numeric = rule.operator in COMPARISONS or rule.operator == "active_or_within_days"
    if rule.operator not in OPERATORS.get(rule.kind, frozenset()) or (numeric and rule.value is None):
        raise KnowledgeError("U-KNOWLEDGE-OPERATOR", f"{rule.id}: {rule.operator!r} does not fit {rule.kind}")
    if trigger is None or (rule.kind == "pregnancy" and rule.trigger not in PREGNANCY):
        raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{rule.id}: trigger {rule.trigger!r} has no row in triggers.csv")
    if rule.kind in MEASURED and BY_NAME[trigger.feature].unit != rule.unit:
        raise KnowledgeError("U-KNOWLEDGE-UNIT", f"{rule.id}: {rule.unit!r} is not the unit of {trigger.feature}")


def _check_trigger(row: TriggerRow, known: set[str], terms: Terminology) -> None:
    keys = {key for held in terms.condition_codes.values() for key in held}
    diagnoses = row.conditions + (row.possible if row.kind in ("diagnosis", "setting") else ())
    faults = (
        *(key for key in diagnoses if key not in keys),
        *(name for name in row.drugs if name not in known),
        *((row.feature,) if row.feature and row.feature not in BY_NAME else ()),
        *((row.scale,) if row.scale and not _has_part(row.scale.partition(">=")[0], terms) else ()),
    )
    if faults:
        raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"trigger {row.key}: {', '.join(faults)} cannot be read")


def _has_part(text: str, terms: Terminology) -> bool:
    scale, _, part = text.partition("/")
    return part in terms.scales.get(scale, {})


def check_readings(
    gates: Iterable[GateRow],
    steps: Iterable[StepRow],
    classes: Mapping[str, frozenset[str]],
    drugs: Mapping[str, Drug],
    terms: Terminology,
) -> None:
    """Refuse a gate or guideline step that reads what no chart holds, or compares in an unknown way."""
    keys = {key for held in terms.condition_codes.values() for key in held}
    for gate in gates:
        kind, _, name = gate.reads.partition(":")
        fits = {"feature": name in BY_NAME, "scale": _has_part(name, terms), "condition": name in keys}
        if gate.operator not in GATE_OPERATORS.get(kind, frozenset()) or not fits.get(kind, True):
            raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{gate.id}: {gate.reads} {gate.operator} cannot be read")
    for step in steps:
        if step.operator not in STEP_OPERATORS or not (step.reads in STEP_READINGS or step.reads in BY_NAME):
            raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{step.id}: {step.reads} {step.operator} cannot be read")
        if any(name not in drugs and name not in classes for name in step.drugs):
            raise KnowledgeError("U-KNOWLEDGE-DRUG", f"{step.id}: a drug of it is in no class and no formulary row")
