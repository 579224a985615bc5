"""What a knowledge pack took out of force: rows that still speak, but act no longer.

A site may switch off what it does not want, yet nobody is left in the dark: a rule that would have held says so, a
gate that would have closed is told as a notice, and what was allowed is named beside each drug that it concerns.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from recommender.assessment import Reason
from recommender.catalog.rows import Drug
from recommender.catalog.tables import Table, approval, cell, retired, waiver

Row = Mapping[str, str]
_READ_AS_WAIVED = frozenset({"formulary", "safety_rules", "dose_rules", "cross_reactions"})
_TOLD_AS_NOTICE = frozenset({"out-of-scope", "insufficient-data", "escalate"})
_NOTED = frozenset({"formulary", "orderables", "pgx_guidance", "gates"})


def in_force(name: str, rows: Table) -> Table:
    """Return the rows of a table as they are to be read: retired ones gone, or told without an effect."""
    if name in _READ_AS_WAIVED:
        return rows
    if name == "gates":
        return tuple(_gate(row) for row in rows if not retired(row) or row["effect"] in _TOLD_AS_NOTICE)
    if name == "jurisdictions":
        rows = tuple(map(_jurisdiction, rows))
    return tuple(row for row in rows if not retired(row))


def _gate(row: Row) -> Row:
    if not retired(row):
        return row
    return {**row, "effect": "notice", "to": "", "urgency": "", "message": f"{waiver(row)}: {row['message']}"}


def _jurisdiction(row: Row) -> Row:
    if not row.get("weakens"):
        return row
    said = f"Changed by this site, {row['weakens']} ({approval(row)})."
    return {**row, "notice": f"{row['notice']} {said}".strip()}


def notes(
    read: Mapping[str, Table], drugs: Mapping[str, Drug], classes: Mapping[str, frozenset[str]]
) -> Mapping[str, tuple[Reason, ...]]:
    """Return formulary name → what this site's pack allows for the drug that the shipped knowledge does not."""
    found: defaultdict[str, list[Reason]] = defaultdict(list)
    for table in sorted(_NOTED & read.keys()):
        for row in read[table]:
            if row.get("weakens"):
                for name in _concerned(table, row, drugs, classes):
                    found[name].append(_note(table, row))
    return {name: tuple(reasons) for name, reasons in found.items()}


def _concerned(table: str, row: Row, drugs: Mapping[str, Drug], classes: Mapping[str, frozenset[str]]) -> Iterable[str]:
    if table == "formulary":
        return (row["ingredient"],)
    if table == "orderables":
        return tuple(name for name, drug in drugs.items() if _is_product(row, drug))
    if table == "pgx_guidance":
        return (row["drug"],)
    kind, _, name = row["reads"].partition(":")
    begun = classes.get(name, frozenset({name})) if kind == "start" else frozenset[str]()
    return sorted(begun & drugs.keys())


def _is_product(row: Row, drug: Drug) -> bool:
    return row["ingredient"] in drug.substances and (row["product"], row["release"]) == (drug.product, drug.release)


def _note(table: str, row: Row) -> Reason:
    """Say what was allowed, by whom and why; the pack's key is the last of the sources."""
    key = row[{"formulary": "ingredient", "orderables": "rxnorm"}.get(table, "id")]
    which = {"formulary": "dose or code", "orderables": "product", "pgx_guidance": "gene guidance"}.get(table, "gate")
    what = f"{which} {row.get('id', '')}".strip()
    text = f"This site changed the {what}: {row['weakens']} ({approval(row)})."
    pack = cell(row, "source").rpartition("+")[2]
    return Reason(f"{pack}-{key}", "none", text, cell(row, "source"), verified=row.get("verified") in ("yes", "site"))
