"""What differs between two sets of knowledge tables: rows added, changed or taken out of force, and what it allows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from recommender.catalog import weakening
from recommender.catalog.consistency import key_columns
from recommender.catalog.pack_file import PACK_COLUMNS
from recommender.catalog.tables import Table, approval, retired

Row = Mapping[str, str]
Tables = Mapping[str, Table]
SHIPPED = "~shipped"  # ends the id of a shipped row that a pack weakened and that still speaks as waived
_UNCOMPARED = frozenset({*PACK_COLUMNS, "weakens"})


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs: ``cells`` are column → before and after, ``weakens`` what it lets through, in words.

    ``approval`` says by whom, when and why; empty where nobody stands for it by name.
    """

    table: str
    key: str
    kind: Literal["added", "changed", "retired", "removed"]
    cells: Mapping[str, tuple[str, str]]
    weakens: tuple[str, ...]
    approval: str


def keyed(table: str, rows: Table) -> dict[tuple[str, ...], Row]:
    """Return the rows of a table by their key."""
    if not rows:
        return {}
    columns = key_columns(table, rows[0])
    return {tuple(row.get(column, "") for column in columns): row for row in rows}


def changes(before: Tables, after: Tables) -> tuple[Change, ...]:
    """Return every difference, table by table, in the order of the rows."""
    names = dict.fromkeys((*before, *after))
    return tuple(one for name in names for one in _in_table(name, before.get(name, ()), after.get(name, ())))


def _in_table(name: str, before: Table, after: Table) -> Iterator[Change]:
    old, new = keyed(name, before), keyed(name, after)
    for key, row in new.items():
        if not key[0].endswith(SHIPPED):
            found = _change(name, "/".join(key), old.get(key), row)
            yield from found
    for key, row in old.items():
        if key not in new and not retired(row):
            yield Change(name, "/".join(key), "removed", _gone(row), weakening.retired(name), "")


def _gone(row: Row) -> Mapping[str, tuple[str, str]]:
    return {name: (cell, "") for name, cell in row.items() if cell and name not in _UNCOMPARED}


def _change(table: str, key: str, before: Row | None, after: Row) -> Iterable[Change]:
    was, out = before is not None and not retired(before), retired(after)
    if out:
        return (Change(table, key, "retired", _gone(after), weakening.retired(table), approval(after)),) if was else ()
    if before is None or not was:
        cells = {name: ("", cell) for name, cell in after.items() if cell and name not in _UNCOMPARED}
        return (Change(table, key, "added", cells, weakening.added(table, after), approval(after)),)
    cells = {
        name: (before.get(name, ""), after.get(name, ""))
        for name in dict.fromkeys((*before, *after))
        if name not in _UNCOMPARED and before.get(name, "") != after.get(name, "")
    }
    weaker = weakening.changed(table, before, after)
    return (Change(table, key, "changed", cells, weaker, approval(after)),) if cells else ()
