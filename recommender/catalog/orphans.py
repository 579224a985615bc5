"""Rows that nobody uses: each is a slip of the pen somewhere, none is a danger by itself."""

from collections.abc import Iterator

from fhir_adapters.terminology import Terminology
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.knowledge_diff import Row, Tables
from recommender.catalog.tables import several

# Columns of any table that may name a class or a drug; one name, or several joined by ``;``.
_NAMING = ("drug", "drugs", "drug_class", "members", "possible", "taking", "allergen", "from", "to", "reads")
_READ_BY_NAME = frozenset({"antidepressant"})  # by indications.py and rules.py


def warnings(tables: Tables, knowledge: Knowledge, terms: Terminology) -> tuple[str, ...]:
    """Return what no row, chart or rule uses, one sentence each."""
    return (*_triggers(knowledge), *_classes(tables), *_sources(tables), *_unnamed(knowledge, terms))


def _triggers(knowledge: Knowledge) -> Iterator[str]:
    used = {(rule.kind, rule.trigger) for rule in knowledge.rules if rule.evaluable}
    for kind, key in knowledge.triggers:
        if (kind, key) not in used:
            yield f"triggers: no rule uses {kind}/{key}"


def _classes(tables: Tables) -> Iterator[str]:
    named = set(_READ_BY_NAME)
    for table, rows in tables.items():
        for row in rows:
            own = {row["name"]} if table == "classes" else set[str]()
            named |= {name for column in _NAMING if column in row for name in _names(row, column)} - own
    for row in tables["classes"]:
        if row["name"] not in named:
            yield f"classes: nothing uses {row['name']}"


def _names(row: Row, column: str) -> tuple[str, ...]:
    return tuple(cell.partition(":")[2] or cell for cell in several(row, column))


def _sources(tables: Tables) -> Iterator[str]:
    columns = ("source", "unknown_source")
    cited = {
        key
        for table, rows in tables.items()
        if table != "sources"
        for row in rows
        for column in columns
        for key in row.get(column, "").split("+")
    }
    for row in tables["sources"]:
        if row["key"] not in cited:
            yield f"sources: no row cites {row['key']}"


def _unnamed(knowledge: Knowledge, terms: Terminology) -> Iterator[str]:
    known = set(terms.drug_names.values())
    for name, drug in knowledge.drugs.items():
        strangers = sorted(drug.substances - known)
        if strangers and (drug.combination or drug.substances.isdisjoint(known)):
            yield f"formulary: {name} is never found in a chart, no code or name leads to {', '.join(strangers)}"
