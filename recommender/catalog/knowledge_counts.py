"""What a set of knowledge tables holds, counted: rows by verification, rules that are judged, drugs to be drafted."""

from collections import Counter
from typing import Any

from fhir_adapters import terminology
from recommender import draftable
from recommender.catalog import orphans
from recommender.catalog.knowledge_diff import SHIPPED, Change
from recommender.catalog.packs import Opened
from recommender.catalog.tables import Table, retired


def counts(opened: Opened) -> dict[str, Any]:
    """Return the counts as plain values; every number can be followed to rows by ``show`` or ``diff``."""
    knowledge = opened.knowledge
    why = {name: draftable.why_not(name, knowledge) for name in knowledge.drugs}
    rules = [rule for rule in knowledge.rules if not rule.waived]
    return {
        "version": knowledge.version,
        "pack": pack_of(opened),
        "tables": {name: table_counts(rows) for name, rows in opened.tables.items()},
        "rules": {
            "judged": sum(rule.evaluable for rule in rules),
            "not_judged": {rule.id: rule.why_not for rule in rules if not rule.evaluable},
            "waived": [rule.id for rule in knowledge.rules if rule.waived],
        },
        "draftable": sorted(name for name, found in why.items() if not found),
        "not_draftable": {name: list(found) for name, found in sorted(why.items()) if found},
        "changes": [change_json(one) for one in opened.changes],
        "warnings": list(orphans.warnings(opened.tables, knowledge, terminology.load())),
    }


def table_counts(rows: Table) -> dict[str, int]:
    """Return how many rows are in force, by what was seen of them; a table of sources has no verification."""
    held = [row for row in rows if not retired(row)]
    seen = Counter(row["verified"] for row in held if "verified" in row)
    out = sum(retired(row) and not next(iter(row.values())).endswith(SHIPPED) for row in rows)
    named = {"yes": "verified", "secondary": "secondary", "site": "site", "no": "unverified"}
    return {"rows": len(held), **{name: seen[key] for key, name in named.items() if seen}, "retired": out}


def pack_of(opened: Opened) -> dict[str, str] | None:
    """Return who stands behind the pack, None without one."""
    about = opened.about
    if about is None:
        return None
    return {name: getattr(about, name) for name in ("name", "version", "date", "approved_by", "contact", "key")}


def change_json(one: Change) -> dict[str, Any]:
    """Return a change as plain values."""
    return {
        "table": one.table,
        "row": one.key,
        "kind": one.kind,
        "cells": {column: list(cells) for column, cells in one.cells.items()},
        "lets_through": list(one.weakens),
        "approval": one.approval,
    }
