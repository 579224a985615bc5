"""Checks of the knowledge tables against each other, the code tables and the feature schema."""

from collections.abc import Iterable, Mapping

from fhir_adapters.problem import problem_tables
from fhir_adapters.terminology import Terminology
from fhir_adapters.vector.schema import BY_NAME
from recommender.catalog.rows import Drug, GateRow, Kind, Rule, StepRow, Trigger, TriggerRow
from recommender.catalog.tables import Table, cell
from recommender.errors import KnowledgeError

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
    "genetics": frozenset({"present"}),
    "substance": frozenset({"present", "stopped_within"}),
    "boxed": frozenset({"always"}),
}
CODED: frozenset[Kind] = frozenset({"genetics", "substance"})
WITHIN = frozenset({"active_or_within_days", "stopped_within"})
MEASURED: frozenset[Kind] = frozenset({"age", "lab", "vital"})
PREGNANCY = frozenset(
    {"pregnant", "first_trimester", "breastfeeding", "childbearing_potential", "unknown_and_childbearing_age"}
)
FIELDS = ("{trigger}", "{drug}", "{value}", "{unit}", "{date}")
GATE_OPERATORS: Mapping[str, frozenset[str]] = {
    "feature": COMPARISONS | {"=", "between", "absent", "unreadable", "conflicting"},
    "scale": frozenset({">=", "=", "between", "unreadable"}),
    "condition": frozenset({"active", "recent", "ever", "unlisted"}),
    "list": frozenset({"absent", "partial"}),
    "consent": frozenset({"opt-in"}),
    "deceased": frozenset({"is"}),
    "depression": frozenset({"absent", "unknown", "doubted"}),
    "trials": frozenset({">="}),
    "child_pugh": frozenset({"="}),
}
# What is no reading of its own: assessments, what they leave to be done, and drugs that somebody is about to begin.
OTHER_GATES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "assessment": dict.fromkeys(("features", "scale", "recorded", "attestation"), frozenset({"after", "on-or-after"})),
    "follow-up": {"crisis": frozenset({"reopened", "held"}), "attestation": frozenset({"closed"})},
    "route": {"start": frozenset({"begins"}), "schedule": frozenset({"begins"})},
}
FOLLOW_UPS = frozenset({"reopened", "held", "closed"})
RECORDED = frozenset({"suicide_risk_assessment"})
STEP_READINGS: Mapping[str, tuple[str, ...]] = {
    "": (),
    "trials": ("antidepressant_trials",),
    "phase": (),
    "course_days": (),
    "clozapine_break_days": (),
    "phq9_fall": ("phq9_total", "phq9_previous"),
    "gad7_fall": ("gad7_total",),
}
STEP_OPERATORS = COMPARISONS | {"", "between"}
_KEYS: Mapping[str, tuple[str, ...]] = {
    "orderables": ("rxnorm",),
    "triggers": ("kind", "key"),
    "pgx_alleles": ("gene", "allele"),
    "pgx_phenotypes": ("gene", "kind", "key", "phenotype"),
    "pgx_inhibitors": ("drug", "gene"),
    "pgx_actions": ("action", "strength"),
}
_WITHOUT_SOURCE = frozenset({"sources"})


def key_columns(table: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that make a row of a table itself: its first one, unless more are needed."""
    return _KEYS.get(table) or (next(iter(columns)),)


def check_keys(read: Mapping[str, Table]) -> None:
    """Refuse two rows of one key (U-KNOWLEDGE-DUPLICATE) and a source not listed (U-KNOWLEDGE-SOURCE)."""
    listed = {cell(row, "key") for row in read["sources"]}
    for name, rows in read.items():
        seen: set[tuple[str, ...]] = set()
        for row in rows:
            key = tuple(cell(row, column) for column in key_columns(name, row))
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
        if _stray_brace(rule.message) or _stray_brace(rule.message_replacing):
            fault = f"{rule.id}: its message holds a brace that is none of {', '.join(FIELDS)}"
            raise KnowledgeError("U-KNOWLEDGE-VALUE", fault)
        if rule.evaluable:
            trigger = mapped.get((rule.kind, rule.trigger))
            _check_rule(rule, trigger.row if trigger else None)
        elif not rule.why_not:
            raise KnowledgeError("U-KNOWLEDGE-VALUE", f"{rule.id}: not evaluable, and why_not is empty")


def _stray_brace(text: str) -> bool:
    for field in FIELDS:
        text = text.replace(field, "")
    return "{" in text or "}" in text


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
    numeric = rule.operator in COMPARISONS or rule.operator in WITHIN
    if rule.operator not in OPERATORS.get(rule.kind, frozenset()) or (numeric and rule.value is None):
        raise KnowledgeError("U-KNOWLEDGE-OPERATOR", f"{rule.id}: {rule.operator!r} does not fit {rule.kind}")
    if trigger is None or (rule.kind == "pregnancy" and rule.trigger not in PREGNANCY):
        raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{rule.id}: trigger {rule.trigger!r} has no row in triggers.csv")
    reads = rule.kind in MEASURED or rule.kind == "data" or (rule.kind == "scale" and not trigger.scale)
    if reads and not trigger.feature:
        raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{rule.id}: trigger {rule.trigger!r} reads no feature")
    if trigger.feature and rule.kind in ("diagnosis", "scale") and rule.operator not in COMPARISONS:
        raise KnowledgeError("U-KNOWLEDGE-OPERATOR", f"{rule.id}: {trigger.feature} is compared, not {rule.operator!r}")
    if rule.kind in MEASURED and BY_NAME[trigger.feature].unit != rule.unit:
        raise KnowledgeError("U-KNOWLEDGE-UNIT", f"{rule.id}: {rule.unit!r} is not the unit of {trigger.feature}")


def _check_trigger(row: TriggerRow, known: set[str], terms: Terminology) -> None:
    keys = _condition_keys(terms)
    diagnoses = row.conditions + (row.possible if row.kind in ("diagnosis", "setting") else ())
    coded = row.kind in CODED
    asked = [one.partition(":") for one in row.asked_with]
    faults = (
        *(name for kind, _, name in asked if name not in {"condition": keys, "drug": known}.get(kind, ())),
        *((row.feature or "no feature",) if coded and not _is_code(row.feature) else ()),
        *(key for key in diagnoses if key not in keys and not coded),
        *(name for name in row.drugs if name not in known),
        *((row.feature,) if row.feature and row.feature not in BY_NAME else ()),
        *((row.scale,) if row.scale and not _has_part(row.scale.partition(">=")[0], terms) else ()),
    )
    if faults:
        raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"trigger {row.key}: {', '.join(faults)} cannot be read")


def _condition_keys(terms: Terminology) -> frozenset[str]:
    """Return the keys that a problem can have: by its code, the ICD category above it, or words nobody could read."""
    tables = problem_tables.load()
    return tables.grouped_keys.union(tables.stem_keys, *terms.condition_codes.values())


def _is_code(feature: str) -> bool:
    return feature in BY_NAME and BY_NAME[feature].kind == "code"


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
    rows = tuple(gates)
    for gate in rows:
        _check_gate(gate, _known(classes, drugs), terms)
    _check_settling(rows, terms)
    for step in steps:
        parts = [cell.split("&") for cell in (step.reads, step.operator, step.value)]
        known = all(one in STEP_READINGS or one in BY_NAME for one in parts[0]) and STEP_OPERATORS.issuperset(parts[1])
        if not known or len({len(part) for part in parts}) > 1:
            raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{step.id}: {step.reads} {step.operator} cannot be read")
        if any(name not in drugs and name not in classes for name in step.drugs):
            raise KnowledgeError("U-KNOWLEDGE-DRUG", f"{step.id}: a drug of it is in no class and no formulary row")


def _check_gate(gate: GateRow, drugs: set[str], terms: Terminology) -> None:
    kind, _, name = gate.reads.partition(":")
    allowed = OTHER_GATES.get(gate.effect, GATE_OPERATORS).get(kind, frozenset())
    if gate.operator not in allowed or not _is_read(kind, name, drugs, terms):
        raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{gate.id}: {gate.reads} {gate.operator} cannot be read")
    if gate.taking and not drugs.issuperset(gate.taking.removeprefix("-").split("+")):
        raise KnowledgeError("U-KNOWLEDGE-DRUG", f"{gate.id}: {gate.taking!r} is in no class and no formulary row")


def _is_read(kind: str, name: str, drugs: set[str], terms: Terminology) -> bool:
    match kind:
        case "feature" | "features":
            return all(one in BY_NAME for one in name.split("+"))
        case "scale":
            return _has_part(name, terms)
        case "condition":
            return name in _condition_keys(terms)
        case "start":
            return name in drugs
        case "recorded":
            return name in RECORDED
        case _:
            return True


def _check_settling(rows: tuple[GateRow, ...], terms: Terminology) -> None:
    """Refuse a gate that is settled by what no chart holds, and a set of gates that cannot say what follows."""
    assessing = {row.id for row in rows if row.effect == "assessment"}
    for row in rows:
        newer = [key for key in row.superseded_by if key not in assessing and not _has_part(key, terms)]
        if newer or not assessing.issuperset(row.assessed_by):
            raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{row.id}: what supersedes or assesses it cannot be read")
        if row.effect == "crisis" and row.message.count(": ") != 1:
            raise KnowledgeError("U-KNOWLEDGE-VALUE", f"{row.id}: a crisis says the fact, a colon, and what to do")
    said = frozenset(row.operator for row in rows if row.effect == "follow-up")
    if any(row.assessed_by for row in rows) and said != FOLLOW_UPS:
        raise KnowledgeError("U-KNOWLEDGE-VALUE", "gates: a follow-up is missing: reopened, held and closed are needed")
