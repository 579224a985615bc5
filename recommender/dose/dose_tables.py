"""The dose tables, read and checked against the rules, the formulary and the gates."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import cast, get_args

from fhir_adapters.vector.schema import BY_NAME
from recommender.catalog.rows import Drug, GateRow, Rule, Trigger
from recommender.catalog.tables import Table, basis, cell, number, refused, several
from recommender.dose.dose_rows import (
    Adjustment,
    ChildPugh,
    Doses,
    IndicationDose,
    LabRange,
    SupplyRow,
    Taper,
    Titration,
    Unknown,
    Way,
)
from recommender.errors import KnowledgeError

RULES = "dose_rules"
NAMES = (RULES, "dose_adjustments", "indication_doses", "titration", "supply", "child_pugh", "tapers")
ALWAYS = "*"
_WORDS = frozenset({"old", "new"})
Row = Mapping[str, str]
Classes = Mapping[str, frozenset[str]]


def build(read: Mapping[str, Table], classes: Classes, drugs: Iterable[str]) -> Doses:
    """Return the dose tables as rows; KnowledgeError U-KNOWLEDGE-VALUE for a cell that cannot be read."""
    indications = map(_indication, read["indication_doses"])
    tapers = tuple(map(_taper, read["tapers"]))
    return Doses(
        adjustments={one.rule: one for one in map(_adjustment, read["dose_adjustments"])},
        indications={(one.drug, one.indication): one for one in indications},
        titrations={one.drug: one for one in map(_titration, read["titration"])},
        supplies={one.rule: one for one in map(_supply, read["supply"])},
        child_pugh=_child_pugh(read["child_pugh"]),
        tapers=tapers,
        tapers_from={drug: _from(drug, tapers, classes) for drug in drugs},
    )


def check(
    doses: Doses,
    rules: Iterable[Rule],
    triggers: Iterable[Trigger],
    drugs: Mapping[str, Drug],
    classes: Classes,
    gates: Iterable[GateRow],
) -> None:
    """Refuse dose rows that name what is not there: U-KNOWLEDGE-DRUG, -TRIGGER, -VALUE."""
    known = {rule.id for rule in rules}
    _refuse("U-KNOWLEDGE-TRIGGER", "dose_adjustments", doses.adjustments.keys() - known)
    told = {row.id for row in gates} | {ALWAYS}
    _refuse("U-KNOWLEDGE-TRIGGER", "supply", doses.supplies.keys() - told)
    _refuse("U-KNOWLEDGE-VALUE", "supply", {ALWAYS} - doses.supplies.keys())
    keys = {one.row.key for one in triggers}
    _refuse("U-KNOWLEDGE-TRIGGER", "child_pugh", doses.child_pugh.triggers.keys() - keys)
    _refuse("U-KNOWLEDGE-TRIGGER", "child_pugh", {one.feature for one in doses.child_pugh.labs} - BY_NAME.keys())
    _refuse("U-KNOWLEDGE-DRUG", "titration", doses.titrations.keys() - drugs.keys())
    _refuse("U-KNOWLEDGE-DRUG", "indication_doses", {drug for drug, _ in doses.indications} - drugs.keys())
    named = {name for one in doses.tapers for name in (one.old, one.new) if name}
    _refuse("U-KNOWLEDGE-DRUG", "tapers", named - drugs.keys() - classes.keys())


def _refuse(code: str, table: str, faults: Iterable[str]) -> None:
    found = sorted(faults)
    if found:
        raise KnowledgeError(code, f"{table}: {', '.join(found)} cannot be read")


def _whole(row: Row, column: str, least: int) -> int:
    value = number(row, column)
    if value is None or value != int(value) or value < least:
        raise refused(row, column)
    return int(value)


def _positive(row: Row, column: str) -> float | None:
    value = number(row, column)
    if value is not None and not value > 0:
        raise refused(row, column)
    return value


def _adjustment(row: Row) -> Adjustment:
    factor, unknown = _positive(row, "factor"), cell(row, "when_unknown")
    if factor is not None and factor > 1:
        raise refused(row, "factor")
    if unknown not in get_args(Unknown):
        raise refused(row, "when_unknown")
    return Adjustment(
        rule=cell(row, "rule"),
        start_mg=_positive(row, "start_mg_day"),
        factor=factor,
        interval=cell(row, "interval"),
        when_unknown=cast(Unknown, unknown),
        basis=basis(row),
    )


def _indication(row: Row) -> IndicationDose:
    return IndicationDose(
        id=cell(row, "id"),
        drug=cell(row, "drug"),
        indication=cell(row, "indication"),
        start_mg=_positive(row, "start_mg_day"),
        usual_min_mg=_positive(row, "usual_min_mg_day"),
        usual_max_mg=_positive(row, "usual_max_mg_day"),
        max_mg=_positive(row, "max_mg_day"),
        geriatric_from_age=_positive(row, "geriatric_from_age"),
        geriatric_start_mg=_positive(row, "geriatric_start_mg_day"),
        basis=basis(row),
    )


def _titration(row: Row) -> Titration:
    first, step = (_positive(row, name) for name in ("first_mg_day", "step_mg_day"))
    days = [_positive(row, name) for name in ("first_after_days", "step_days")]
    if (first is None) != (days[0] is None) or (step is None) != (days[1] is None):
        raise refused(row, "step_days")
    return Titration(cell(row, "drug"), first, days[0], step, days[1], basis(row))


def _supply(row: Row) -> SupplyRow:
    return SupplyRow(cell(row, "id"), cell(row, "rule"), _whole(row, "days", 1), _whole(row, "repeats", 0), basis(row))


def _child_pugh(rows: Table) -> ChildPugh:
    findings: defaultdict[str, set[str]] = defaultdict(set)
    labs: list[LabRange] = []
    classes: dict[str, tuple[float, float]] = {}
    triggers: dict[str, frozenset[str]] = {}
    for row in rows:
        match cell(row, "kind"):
            case "lab":
                labs.append(_lab(row))
            case "finding":
                findings[cell(row, "key")].add(without_dots(cell(row, "code")))
            case "class":
                classes[cell(row, "key")] = _range(row)
            case "trigger":
                triggers[cell(row, "key")] = frozenset(several(row, "classes"))
            case _:
                raise refused(row, "kind")
    codes = {name: frozenset(held) for name, held in findings.items()}
    return ChildPugh(tuple(labs), codes, classes, triggers, basis(rows[0]))


def without_dots(code: str) -> str:
    """Return a code to compare by: ICD codes are written with and without their dot."""
    return code.replace(".", "")


def _lab(row: Row) -> LabRange:
    low, high = _range(row)
    return LabRange(cell(row, "key"), low, high, _whole(row, "below", 1), _whole(row, "above", 1), basis(row))


def _range(row: Row) -> tuple[float, float]:
    low, high = number(row, "low"), number(row, "high")
    if low is None or high is None or low > high:
        raise refused(row, "high")
    return low, high


def closeness(named: str, drug: str, classes: Classes) -> int | None:
    """Return how closely a cell names a drug: 1 by its name, less the larger its class; None where it does not."""
    if named == drug:
        return 1
    members = classes.get(named, frozenset[str]())
    return -len(members) if drug in members else None


def _from(drug: str, tapers: Iterable[Taper], classes: Classes) -> tuple[tuple[int, Taper], ...]:
    found = ((closeness(row.old, drug, classes), row) for row in tapers)
    return tuple((near, row) for near, row in found if near is not None)


def _taper(row: Row) -> Taper:
    way, plan = cell(row, "way"), cell(row, "plan")
    if way not in get_args(Way) or (way == "stop") != (not cell(row, "to")):
        raise refused(row, "way")
    if not plan or {name for _, name, _, _ in Formatter().parse(plan) if name} - _WORDS:
        raise refused(row, "plan")
    return Taper(cell(row, "id"), cell(row, "from"), cell(row, "to"), cast(Way, way), plan, basis(row))
