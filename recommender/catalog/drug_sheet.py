"""One drug as a pharmacist reads it: everything that the knowledge holds of it, with source and verification.

Plain values, so that the page and ``--json`` say the same. Of a table that has no section of its own every row of the
drug is shown as it stands, so that no row is hidden.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from recommender import draftable
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.knowledge_diff import Row, Tables
from recommender.catalog.pack_file import nearest
from recommender.catalog.packs import Opened
from recommender.catalog.rows import Drug, Rule
from recommender.catalog.tables import several
from recommender.errors import KnowledgeError

_OWN_SECTION = frozenset(
    {"sources", "formulary", "orderables", "safety_rules", "dose_rules", "cross_reactions", "pgx_guidance"}
)
_NAMING = ("drug", "drugs", "ingredient", "reads", "taking", "from", "to", "old", "new")
_BASIS = ("source", "verified", "date")
_UNSPOKEN = frozenset({"a", "count", "{score}"})  # years, numbers and scores are said without their unit
_SIDES: Mapping[str, str] = {">": "above {}", ">=": "{} or more", "<": "below {}", "<=": "{} or less"}


def resolve(name: str, knowledge: Knowledge) -> str:
    """Return the formulary name, else the ingredient that rules know; KnowledgeError U-DRUG-UNKNOWN for neither."""
    wanted = " ".join(name.lower().split())
    for one in (wanted, wanted.replace(" ", "_"), wanted.replace(" ", "-")):
        drug = knowledge.drug(one)
        if drug:
            return drug.ingredient
        if one in knowledge.rules_of:
            return one
    known = {*knowledge.drugs, *knowledge.aliases}
    raise KnowledgeError("U-DRUG-UNKNOWN", f"no rule and no formulary row has {name}{nearest(wanted, known)}")


def sheet(name: str, opened: Opened) -> dict[str, Any]:
    """Return the sections of one drug, by formulary or ingredient name."""
    knowledge, tables = opened.knowledge, opened.tables
    name = resolve(name, knowledge)
    drug = knowledge.drugs.get(name)
    row = next((one for one in tables["formulary"] if one["ingredient"] == name), None)
    classes = sorted(one for one, held in knowledge.classes.items() if name in held)
    why = draftable.why_not(name, knowledge) if drug else ("not in the formulary",)
    found: dict[str, Any] = {
        "drug": name,
        "version": knowledge.version,
        "draftable": not why,
        "why_not_draftable": list(why),
        "site": [reason.message for reason in knowledge.site_notes.get(name, ())],
        "formulary": {key: cell for key, cell in (row or {}).items() if cell},
        "classes": classes,
        "products": [
            _product(one, name, knowledge)
            for one in tables["orderables"]
            if drug and one["ingredient"] in drug.substances
        ],
        "rules": [_rule(one, name, tables) for one in _in_order(knowledge.rules_of.get(name, ()))],
        "not_judged": [
            _unjudged(one) for one in knowledge.rules if not one.evaluable and _concerns(one, name, classes)
        ],
        "genes": [dict(_filled(one)) for one in tables["pgx_guidance"] if one["drug"] == name],
        "other": dict(_others(name, drug, classes, tables)),
        "evidence": [dict(_filled(one)) for one in _evidence() if one["ingredient"] == name],
    }
    return {**found, "sources": _sources(found, knowledge)}


def _filled(row: Row) -> Iterator[tuple[str, str]]:
    return ((column, cell) for column, cell in row.items() if cell)


def _product(row: Row, name: str, knowledge: Knowledge) -> dict[str, Any]:
    """Return a product of one of the drug's substances; ``fits`` where a draft of this drug may ask for it."""
    fits = any(one.rxnorm == row["rxnorm"] for one in knowledge.orderables[name])
    columns = ("rxnorm", "name", "form", "release", "strength_mg", "source", "verified")
    return {**{column: row[column] for column in columns}, "fits": fits}


def _in_order(rules: Sequence[Rule]) -> list[Rule]:
    ranks = ("contraindicated", "warning", "caution", "monitor", "none")
    return sorted(rules, key=lambda one: (bool(one.waived), ranks.index(one.severity), one.id))


def _rule(rule: Rule, name: str, tables: Tables) -> dict[str, Any]:
    row = _row_of(rule, tables)
    return {
        "id": rule.id,
        "severity": rule.severity,
        "when": when(rule),
        "message": _spoken(rule, name),
        "cap_mg_day": rule.cap_mg,
        "unknown": rule.on_unknown,
        "waived": rule.waived,
        **{column: row.get(column, "") for column in _BASIS},
    }


def _row_of(rule: Rule, tables: Tables) -> Row:
    held = (row for table in ("safety_rules", "dose_rules", "cross_reactions") for row in tables.get(table, ()))
    return next((row for row in held if row["id"] == rule.id), dict[str, str]())


def when(rule: Rule) -> str:
    """Return in words when a rule holds: ``eGFR below 30 mL/min/1.73m2, women``."""
    value = "" if rule.value is None else f"{rule.value:g}"
    match rule.operator:
        case "active_or_within_days":
            said = f"{rule.label}, or within {value} days of it"
        case "stopped_within":
            said = f"{rule.label} stopped within {value} days"
        case "absent":
            said = f"without {rule.label}"
        case "ever":
            said = f"{rule.label}, present or past"
        case "always":
            said = "always"
        case operator if operator in _SIDES and value:
            unit = "" if rule.unit in _UNSPOKEN else f" {rule.unit}"
            said = f"{rule.label} {_SIDES[operator].format(value + unit)}"
        case _:
            said = rule.label or rule.trigger
    narrowed = {"female": "women", "male": "men"}.get(rule.sex, "")
    aged = f"from age {rule.age_from:g}" if rule.age_from is not None else ""
    return ", ".join(part for part in (said, narrowed, aged) if part)


def _spoken(rule: Rule, name: str) -> str:
    text = rule.message.removeprefix("{trigger}: ")  # ``when`` says it
    words = {"trigger": rule.label, "drug": name.replace("_", " "), "value": "…", "unit": rule.unit, "date": "…"}
    for key, word in words.items():
        text = text.replace(f"{{{key}}}", word)
    return text[:1].upper() + text[1:] if not text[1:2].isupper() else text


def _concerns(rule: Rule, name: str, classes: Sequence[str]) -> bool:
    return rule.drug == name or rule.drug in classes


def _unjudged(rule: Rule) -> dict[str, str]:
    return {"id": rule.id, "severity": rule.severity, "label": rule.label or rule.trigger, "why_not": rule.why_not}


def _others(
    name: str, drug: Drug | None, classes: Sequence[str], tables: Tables
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield the rows of all other tables that name the drug, one of its substances or one of its classes."""
    names = {name, *classes, *(drug.substances if drug else ())}
    for table, rows in tables.items():
        if table not in _OWN_SECTION and table not in ("triggers", "classes"):
            found = [dict(_filled(row)) for row in rows if not names.isdisjoint(_named(row))]
            if found:
                yield table, found


def _named(row: Row) -> set[str]:
    columns = (column for column in _NAMING if column in row)
    return {cell.removeprefix("start:") for column in columns for cell in several(row, column)}


def _evidence() -> list[Row]:
    path = files("recommender") / "knowledge" / "evidence" / "antidepressant_effects.csv"
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def _sources(found: Mapping[str, Any], knowledge: Knowledge) -> dict[str, str]:
    """Return the address of every source key that a section names."""
    keys = dict.fromkeys(_keys(found))
    return {key: knowledge.sources[key].address for key in keys if key in knowledge.sources}


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        held: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        for column, inner in held.items():
            if column in ("source", "unknown_source") and isinstance(inner, str):
                yield from inner.split("+")
            else:
                yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _keys(inner)
