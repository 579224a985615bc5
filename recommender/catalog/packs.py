"""A site's knowledge pack merged into the shipped tables, refused where it weakens safety without a name.

A row with a shipped key replaces the cells that it fills in, a row with a new key is added, and ``retired`` takes a
row out of force. What lets more through than the shipped row needs an approval of its own (``weakening``), stays in
the version's hash, and is told where the shipped row would have spoken (``waivers``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fhir_adapters import terminology
from recommender.catalog import knowledge, tables, weakening
from recommender.catalog.consistency import key_columns
from recommender.catalog.knowledge import Knowledge
from recommender.catalog.knowledge_diff import SHIPPED, Change, Row, Tables, changes, keyed
from recommender.catalog.pack_file import PACK_COLUMNS, About, PackFile, PackRow, nearest, read
from recommender.catalog.tables import Table
from recommender.errors import KnowledgeError, PackError

_KEPT = frozenset({"safety_rules", "dose_rules", "cross_reactions", "gates"})  # a weakened shipped row still speaks
_CODE_CELLS = frozenset({"rxnorm", "rxnorm_scd", "product", "form", "release"})


@dataclass(frozen=True, slots=True)
class Opened:
    """Knowledge with the tables it is built of; ``about`` and ``changes`` are those of the pack, if there is one."""

    knowledge: Knowledge
    tables: Tables
    about: About | None = None
    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class _Merge:
    """The tables as they grow, the faults as they are found."""

    about: About
    tables: dict[str, Table]
    faults: list[KnowledgeError] = field(default_factory=list[KnowledgeError])


def load(folder: Path | None) -> Knowledge:
    """Return the shipped knowledge, with the pack in ``folder`` merged in where there is one.

    PackError (a KnowledgeError) with every fault of the pack: U-PACK-FILE, -KEY, -VALUE, -COLUMN, -ROW, -APPROVAL,
    -FLOOR; KnowledgeError where the merged rows contradict each other.
    """
    return opened(folder).knowledge if folder else knowledge.load()


def opened(folder: Path | None) -> Opened:
    """Return ``load``'s knowledge together with its tables and what the pack changes; raises as ``load`` does."""
    shipped = shipped_tables()
    if folder is None:
        return Opened(knowledge.load(), shipped)
    pack, faults = read(folder, {name: tuple(rows[0]) for name, rows in shipped.items()})
    if pack is None or faults:
        raise PackError(faults)
    merged = merge(shipped, pack)
    found = knowledge.build(merged, terminology.load(), pack.about.label)
    return Opened(found, merged, pack.about, changes(shipped, merged))


@cache
def shipped_tables() -> Tables:
    """Return the shipped tables as they are written, by name."""
    return {name: tables.read(name) for name in knowledge.NAMES}


def merge(shipped: Tables, pack: PackFile) -> dict[str, Table]:
    """Return the tables with the pack's rows; PackError with every row that cannot be used."""
    merge = _Merge(pack.about, dict(shipped))
    for name, rows in pack.rows.items():
        merge.tables[name] = tuple(_merged(name, rows, shipped[name], merge))
    if merge.faults:
        raise PackError(merge.faults)
    about = pack.about
    what = f"knowledge pack {about.name} {about.version}, approved by {about.approved_by}; {about.contact}"
    source = {"key": about.key, "address": "this site", "what": what, "date": about.date}
    merge.tables["sources"] = (*merge.tables["sources"], source)
    return merge.tables


def _merged(name: str, given: Sequence[PackRow], shipped: Table, merge: _Merge) -> Iterator[Row]:
    held = keyed(name, shipped)
    replaced: dict[tuple[str, ...], tuple[Row, ...]] = {}
    for row in given:
        key = tuple(row.cells.get(column, "") for column in key_columns(name, shipped[0]))
        if key in replaced:
            merge.faults.append(KnowledgeError("U-PACK-ROW", f"{row.place}: {'/'.join(key)} is there twice"))
            continue
        before = held.get(key)
        replaced[key] = _added(name, key, row, shipped, merge) if before is None else _changed(name, before, row, merge)
    for key, row in held.items():
        yield from replaced.pop(key, (row,))
    for rows in replaced.values():
        yield from rows


def _added(name: str, key: tuple[str, ...], row: PackRow, shipped: Table, merge: _Merge) -> tuple[Row, ...]:
    columns = tuple(shipped[0])
    missing = [column for column in columns if column not in row.columns]
    if row.retired or missing or name in weakening.NEVER_ADDED:
        merge.faults.append(_unknown(name, key, row, missing, shipped))
        return ()
    if key[0].startswith("PACK-") or "~" in key[0]:
        merge.faults.append(KnowledgeError("U-PACK-ROW", f"{row.place}: PACK- and ~ are not for a row's own key"))
        return ()
    whole = {column: row.cells.get(column, "") for column in columns}
    return _stamped(name, {}, whole, weakening.added(name, whole), row, merge)


def _unknown(name: str, key: tuple[str, ...], row: PackRow, missing: list[str], shipped: Table) -> KnowledgeError:
    """Say why a row whose key is not shipped cannot be taken, with the nearest key that is."""
    if name in weakening.NEVER_ADDED and not row.retired:
        text = f"{'/'.join(key)} cannot be added: {weakening.NEVER_ADDED[name]}"
        return KnowledgeError("U-PACK-FLOOR", f"{row.place}: {text}")
    near = nearest("/".join(key), ("/".join(one) for one in keyed(name, shipped)))
    more = "" if row.retired else f"; a new row needs every column, {', '.join(missing)} too"
    return KnowledgeError("U-PACK-ROW", f"{row.place}: {name} has no row {'/'.join(key)}{near}{more}")


def _changed(name: str, before: Row, row: PackRow, merge: _Merge) -> tuple[Row, ...]:
    if row.retired:
        return _retired(name, before, row, merge)
    after = {**before, **{column: cell for column, cell in row.cells.items() if column not in PACK_COLUMNS}}
    if after == before:
        return (before,)
    refusal = weakening.floor(name, before, after)
    if name == "sources":
        refusal = "a shipped source stays as it is: give yours a key of its own"
    if refusal:
        merge.faults.append(KnowledgeError("U-PACK-FLOOR", f"{row.place}: {refusal}"))
        return ()
    weaker = weakening.changed(name, before, after)
    changed = _stamped(name, before, after, weaker, row, merge)
    return (*changed, *_still_speaking(name, before, changed)) if weaker else changed


def _retired(name: str, before: Row, row: PackRow, merge: _Merge) -> tuple[Row, ...]:
    refusal = weakening.floor(name, before, None)
    if refusal:
        merge.faults.append(KnowledgeError("U-PACK-FLOOR", f"{row.place}: {refusal}"))
        return ()
    if not row.approved:
        merge.faults.append(_unapproved(row, "taking a row out of force"))
    weaker = "; ".join(weakening.retired(name))
    return ({**before, **_approval(row), "retired": "yes", "weakens": weaker, "source": _source(before, {}, merge)},)


def _stamped(
    name: str, before: Row, after: Row, weaker: tuple[str, ...], row: PackRow, merge: _Merge
) -> tuple[Row, ...]:
    """Return the row with the pack as its last source, and with its approval; a weaker one without is refused."""
    if weaker and not row.approved:
        merge.faults.append(_unapproved(row, "; ".join(weaker)))
        return ()
    if name == "sources":
        return (after,)
    found = {**after, **_approval(row), "weakens": "; ".join(weaker), "source": _source(before, row.cells, merge)}
    if "date" in after:
        found["date"] = row.cells.get("date") or merge.about.date
    return ({**found, **_no_longer_seen(name, before, after, row)},)


def _no_longer_seen(table: str, before: Row, after: Row, row: PackRow) -> Mapping[str, str]:
    """What was seen at a source is the site's own once its cells are changed, unless the pack says what it saw."""
    told = {"source", "date", "note", "message"} | weakening.GUARDS.get(table, weakening.Guard()).words
    touched = {name for name in after if before.get(name, "") != after[name]} - told
    stands = {"verified": touched, "code_verified": touched & _CODE_CELLS}
    stands["dose_verified"] = {name for name in touched if "_mg" in name or name == "doses_per_day"}
    return {
        column: "site"
        for column, why in stands.items()
        if before.get(column) in ("yes", "label") and why and not row.cells.get(column)
    }


def _still_speaking(name: str, before: Row, changed: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the shipped row as a waived one: where it would have held, the clinician is told."""
    if name not in _KEPT or not changed:
        return ()
    marks = {column: changed[0][column] for column in (*PACK_COLUMNS[1:], "source")}
    return ({**before, **marks, "id": before["id"] + SHIPPED, "retired": "yes"},)


def _approval(row: PackRow) -> dict[str, str]:
    return {name: row.cells.get(name, "") for name in PACK_COLUMNS[1:]}


def _source(before: Row, cells: Mapping[str, str], merge: _Merge) -> str:
    """Return the source keys with the pack's own at the end: readers take the first as the source proper."""
    named = cells.get("source") or before.get("source", "")
    return f"{named}+{merge.about.key}" if named else merge.about.key


def _unapproved(row: PackRow, what: str) -> KnowledgeError:
    text = f"{what}: this needs approved_by, approved_on and approved_reason in its row"
    return KnowledgeError("U-PACK-APPROVAL", f"{row.place}: {text}")
