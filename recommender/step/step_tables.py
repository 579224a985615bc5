"""The guideline tables besides the steps, read and checked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from recommender.catalog.rows import Drug, GateRow, StepRow, TreatedCondition
from recommender.catalog.tables import Table, basis, cell, number, refused
from recommender.errors import KnowledgeError
from recommender.step.step_rows import AdequateTrial, Estimate, Phase, StepKnowledge

NAMES = ("condition_phases", "adequate_trials", "network_estimates")
ANY = "*"  # a step row for whatever is treated
UNFOCUSED = "none"  # a gate row for charts on which no condition that can be planned for is certain

Classes = Mapping[str, frozenset[str]]


def build(read: Mapping[str, Table], classes: Classes, drugs: Mapping[str, Drug]) -> StepKnowledge:
    """Return the tables, indexed; KnowledgeError U-KNOWLEDGE-VALUE or -COLUMN for a cell that cannot be read."""
    return StepKnowledge(
        phases=tuple(map(_phase, read["condition_phases"])),
        trials={one.condition: one for one in map(_trial, read["adequate_trials"])},
        estimates=_estimates(map(_estimate, read["network_estimates"]), classes, drugs),
    )


def check(
    steps: Iterable[StepRow],
    gates: Iterable[GateRow],
    held: StepKnowledge,
    treated: Iterable[TreatedCondition],
    classes: Classes,
    drugs: Mapping[str, Drug],
) -> None:
    """Refuse a row for a condition that is not treated (U-KNOWLEDGE-TRIGGER) or a drug unknown (U-KNOWLEDGE-DRUG)."""
    rows = tuple(treated)
    names = {row.name for row in rows} | {phase.phase for phase in held.phases} | {ANY}
    told = [
        *((step.id, step.condition) for step in steps),
        *((gate.id, name) for gate in gates for name in gate.focus - {UNFOCUSED}),
        *((f"trial of {name}", name) for name in held.trials),
        *((phase.code, phase.condition) for phase in held.phases),
        *((f"estimates of {name}", name) for name in held.estimates),
    ]
    for label, name in told:
        if name not in names:
            raise KnowledgeError("U-KNOWLEDGE-TRIGGER", f"{label}: {name!r} is no treated condition")
    known = set(drugs) | set(classes)
    for by_drug in held.estimates.values():
        _check_drugs((one.drug for found in by_drug.values() for one in found), known)


def _check_drugs(names: Iterable[str], known: set[str]) -> None:
    for name in names:
        if name not in known:
            raise KnowledgeError("U-KNOWLEDGE-DRUG", f"{name!r} is in no class and no formulary row")


def _phase(row: Mapping[str, str]) -> Phase:
    return Phase(
        code=cell(row, "code"),
        condition=cell(row, "condition"),
        phase=cell(row, "phase"),
        words=cell(row, "words"),
        indication=cell(row, "indication"),
        basis=basis(row),
    )


def _trial(row: Mapping[str, str]) -> AdequateTrial:
    return AdequateTrial(cell(row, "condition"), _needed(row, "weeks"), cell(row, "words"), basis(row))


def _estimate(row: Mapping[str, str]) -> Estimate:
    if cell(row, "better") not in ("lower", "higher"):
        raise refused(row, "better")
    return Estimate(
        id=cell(row, "id"),
        condition=cell(row, "condition"),
        drug=cell(row, "drug"),
        outcome=cell(row, "outcome"),
        value=_needed(row, "value"),
        low=number(row, "low"),
        high=number(row, "high"),
        better="lower" if row["better"] == "lower" else "higher",
        ranks=cell(row, "ranks") == "yes",
        basis=basis(row),
    )


def _needed(row: Mapping[str, str], column: str) -> float:
    value = number(row, column)
    if value is None:
        raise refused(row, column)
    return value


def _estimates(
    rows: Iterable[Estimate], classes: Classes, drugs: Mapping[str, Drug]
) -> dict[str, dict[str, tuple[Estimate, ...]]]:
    found: defaultdict[str, defaultdict[str, tuple[Estimate, ...]]] = defaultdict(lambda: defaultdict(tuple))
    for row in rows:
        for name in classes.get(row.drug, frozenset({row.drug})):
            if name in drugs or name == row.drug:
                found[row.condition][name] += (row,)
    return {condition: dict(by_drug) for condition, by_drug in found.items()}
