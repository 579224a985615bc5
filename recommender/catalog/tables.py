"""The knowledge tables, read from CSV into rows with every cell checked."""

import csv
from collections.abc import Iterable, Mapping
from importlib.resources import files
from io import StringIO
from typing import cast, get_args

from recommender.assessment import SEVERITIES, Severity
from recommender.catalog.rows import (
    Basis,
    ClassRow,
    CrossReaction,
    Drug,
    Effect,
    GateRow,
    JurisdictionRow,
    Kind,
    OnUnknown,
    Orderable,
    Recipient,
    Rule,
    Source,
    StepKind,
    StepRow,
    TreatedCondition,
    TriggerRow,
    Urgency,
)
from recommender.errors import KnowledgeError

Table = tuple[Mapping[str, str], ...]
NAMES = (
    "sources", "formulary", "orderables", "classes", "safety_rules", "triggers", "cross_reactions", "gates",
    "jurisdictions", "guideline_steps", "conditions", "policies",
)  # fmt: skip


VERIFIED = ("yes", "secondary", "no", "site")  # "site": a knowledge pack's own approval stands for it


def retired(row: Mapping[str, str]) -> bool:
    """Say whether a knowledge pack took a row out of force."""
    return row.get("retired") == "yes"


def waiver(row: Mapping[str, str]) -> str:
    """Return what is said where a row would have held that a pack took out of force, empty for one in force."""
    return f"Not applied at this site ({approval(row)})" if retired(row) else ""


def approval(row: Mapping[str, str]) -> str:
    """Return who approved a pack's row, when and why, empty where nobody did."""
    by = row.get("approved_by", "")
    return f"approved by {by} on {row['approved_on']}: {row['approved_reason'].rstrip('.')}" if by else ""


def read(name: str) -> Table:
    """Return the rows of ``recommender/knowledge/<name>.csv``."""
    text = files("recommender").joinpath("knowledge", f"{name}.csv").read_text("utf-8")
    return tuple(csv.DictReader(StringIO(text)))


def number(row: Mapping[str, str], column: str) -> float | None:
    """Return the number of a cell, None when it is empty; KnowledgeError U-KNOWLEDGE-VALUE otherwise."""
    text = cell(row, column)
    try:
        return float(text) if text else None
    except ValueError:
        raise refused(row, column) from None


def cell(row: Mapping[str, str], column: str) -> str:
    """Return the text of a cell; KnowledgeError U-KNOWLEDGE-COLUMN when the table has no such column."""
    text = cast(Mapping[str, str | None], row).get(column)
    if text is None:
        raise KnowledgeError("U-KNOWLEDGE-COLUMN", f"row {_name(row)} has no column {column!r}: add it to the table")
    return text


def refused(row: Mapping[str, str], column: str) -> KnowledgeError:
    """Return the error for a cell that cannot be read."""
    return KnowledgeError("U-KNOWLEDGE-VALUE", f"row {_name(row)}, column {column}: {row[column]!r} cannot be read")


def several(row: Mapping[str, str], column: str) -> tuple[str, ...]:
    """Return the parts of a cell that are joined by ``;``."""
    return tuple(part.strip() for part in cell(row, column).split(";") if part.strip())


def _name(row: Mapping[str, str]) -> str:
    return next(iter(row.values()), "?") or "?"


def _one_of(row: Mapping[str, str], column: str, allowed: Iterable[str]) -> str:
    if cell(row, column) not in tuple(allowed):
        raise refused(row, column)
    return row[column]


def basis(row: Mapping[str, str]) -> Basis:
    """Read what every row stands on: source keys, date, verified."""
    return Basis(cell(row, "source"), cell(row, "date"), _one_of(row, "verified", VERIFIED) in ("yes", "site"))


def _whole(row: Mapping[str, str], column: str) -> int | None:
    value = number(row, column)
    return None if value is None else int(value)


def source(row: Mapping[str, str]) -> Source:
    """Read a row of sources.csv."""
    return Source(cell(row, "key"), cell(row, "address"), cell(row, "what"))


def drug(row: Mapping[str, str]) -> Drug:
    """Read a row of formulary.csv."""
    indications = {key: how for key, _, how in (part.partition(":") for part in several(row, "indications"))}
    return Drug(
        ingredient=cell(row, "ingredient"),
        rxnorm=cell(row, "rxnorm") or None,
        drug_class=cell(row, "drug_class"),
        substances=frozenset(several(row, "substances")),
        combination=_one_of(row, "combination", ("yes", "no")) == "yes",
        indications=indications,
        start_mg=number(row, "start_mg_day"),
        usual_min_mg=number(row, "usual_min_mg_day"),
        usual_max_mg=number(row, "usual_max_mg_day"),
        max_mg=number(row, "max_mg_day"),
        geriatric_from_age=number(row, "geriatric_from_age"),
        geriatric_start_mg=number(row, "geriatric_start_mg_day"),
        geriatric_max_mg=number(row, "geriatric_max_mg_day"),
        doses_per_day=_whole(row, "doses_per_day"),
        product=cell(row, "product"),
        form=cell(row, "form"),
        release=cell(row, "release"),
        administration=cell(row, "administration"),
        schedule=cell(row, "dea_schedule"),
        boxed_warnings=several(row, "boxed_warnings"),
        dose_notes=cell(row, "dose_notes"),
        code_verified=_one_of(row, "code_verified", ("yes", "partial", "no", "site")),
        dose_verified=_one_of(row, "dose_verified", ("label", "secondary", "no", "site")),
        basis=basis(row),
        waived=approval(row) if retired(row) else "",
    )


def orderable(row: Mapping[str, str]) -> Orderable:
    """Read a row of orderables.csv."""
    strength = number(row, "strength_mg")
    if not strength:
        raise refused(row, "strength_mg")
    return Orderable(
        ingredient=cell(row, "ingredient"),
        rxnorm=cell(row, "rxnorm"),
        name=cell(row, "name"),
        product=cell(row, "product"),
        strength_mg=strength,
        form=cell(row, "form"),
        release=cell(row, "release"),
        basis=basis(row),
    )


def rule(row: Mapping[str, str]) -> Rule:
    """Read a row of safety_rules.csv."""
    evaluable = _one_of(row, "evaluable", ("yes", "no")) == "yes"
    return Rule(
        id=cell(row, "id"),
        drug=cell(row, "drug"),
        kind=cast(Kind, _one_of(row, "kind", get_args(Kind))),
        trigger=cell(row, "trigger"),
        operator=cell(row, "operator"),
        value=number(row, "value") if evaluable else None,
        unit=cell(row, "unit"),
        sex=_one_of(row, "sex", ("", "female", "male")),
        age_from=number(row, "age_from"),
        severity=cast(Severity, _one_of(row, "severity", SEVERITIES)),
        grounds=cell(row, "basis"),
        cap_mg=number(row, "cap_mg_day"),
        label=cell(row, "label"),
        message=cell(row, "message"),
        message_replacing=cell(row, "message_replacing"),
        on_unknown=cast(OnUnknown, _one_of(row, "unknown", get_args(OnUnknown))),
        evaluable=evaluable,
        why_not=cell(row, "why_not"),
        basis=basis(row),
        waived=waiver(row),
    )


def trigger(row: Mapping[str, str]) -> TriggerRow:
    """Read a row of triggers.csv."""
    return TriggerRow(
        kind=cast(Kind, _one_of(row, "kind", get_args(Kind))),
        key=cell(row, "key"),
        conditions=several(row, "conditions"),
        drugs=several(row, "drugs"),
        feature=cell(row, "feature"),
        scale=cell(row, "scale"),
        possible=several(row, "possible"),
        asked_with=several(row, "asked_with"),
        complete=_one_of(row, "complete", ("yes", "no")) == "yes",
        basis=basis(row),
    )


def drug_class(row: Mapping[str, str]) -> ClassRow:
    """Read a row of classes.csv."""
    return ClassRow(cell(row, "name"), several(row, "members"), basis(row))


def _codes(row: Mapping[str, str], column: str) -> frozenset[str]:
    """Return codes without dots: ICD-10-CM is written both ways."""
    return frozenset(code.replace(".", "") for code in several(row, column))


def gate(row: Mapping[str, str]) -> GateRow:
    """Read a row of gates.csv."""
    to = _one_of(row, "to", ("", *get_args(Recipient)))
    return GateRow(
        id=cell(row, "id"),
        effect=cast(Effect, _one_of(row, "effect", get_args(Effect))),
        reads=cell(row, "reads"),
        operator=cell(row, "operator"),
        value=cell(row, "value"),
        window_days=_whole(row, "window_days"),
        except_codes=_codes(row, "except_codes"),
        only_codes=_codes(row, "only_codes"),
        taking=cell(row, "taking"),
        focus=frozenset(several(row, "focus")),
        superseded_by=several(row, "superseded_by"),
        assessed_by=several(row, "assessed_by"),
        reopens=_one_of(row, "reopens", ("", "yes", "no")) == "yes",
        to=cast(Recipient, to) if to else None,
        urgency=cast(Urgency, _one_of(row, "urgency", get_args(Urgency)) if to else "routine"),
        message=cell(row, "message"),
        basis=basis(row),
    )


def jurisdiction(row: Mapping[str, str]) -> JurisdictionRow:
    """Read a row of jurisdictions.csv."""
    is_open = _one_of(row, "drafting", ("open", "closed")) == "open"
    places, consent = frozenset(several(row, "places")), _one_of(row, "consent", ("", "opt-in"))
    return JurisdictionRow(cell(row, "jurisdiction"), places, is_open, consent, cell(row, "notice"), basis(row))


def step(row: Mapping[str, str]) -> StepRow:
    """Read a row of guideline_steps.csv."""
    return StepRow(
        id=cell(row, "id"),
        condition=cell(row, "condition"),
        step=cell(row, "step"),
        kind=cast(StepKind, _one_of(row, "kind", get_args(StepKind))),
        line=_whole(row, "line"),
        drugs=several(row, "drugs"),
        reads=cell(row, "reads"),
        operator=cell(row, "operator"),
        value=cell(row, "value"),
        message=cell(row, "message"),
        basis=basis(row),
    )


def cross_reaction(row: Mapping[str, str]) -> CrossReaction:
    """Read a row of cross_reactions.csv."""
    severity = cast(Severity, _one_of(row, "severity", SEVERITIES))
    return CrossReaction(
        id=cell(row, "id"),
        allergen=cell(row, "allergen"),
        drug=cell(row, "drug"),
        severity=severity,
        message=cell(row, "message"),
        basis=basis(row),
        waived=waiver(row),
    )


def treated(row: Mapping[str, str]) -> TreatedCondition:
    """Read a row of conditions.csv."""
    drafting = _one_of(row, "drafting", ("yes", "no")) == "yes"
    return TreatedCondition(
        key=cell(row, "key"),
        name=cell(row, "name"),
        words=cell(row, "words"),
        indication=cell(row, "indication"),
        order=_whole(row, "order"),
        drafting=drafting,
        basis=basis(row),
    )
