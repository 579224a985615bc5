"""A site's table of predictions and outcomes: CSV with a header, or NDJSON, one row a patient.

Bytes in, columns out. No message holds a cell's value: only its column and its line.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec
import numpy as np

from recommender.cohort.evidence import Array
from recommender.errors import TableError

_YES_NO = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text by column, "" where there is none; ``name`` is for messages, ``first`` the line of row 1."""

    name: str
    columns: Mapping[str, Sequence[str]]
    rows: int
    first: int


def read(raw: bytes, name: str) -> Table:
    """Read CSV or NDJSON; TableError U-TABLE-FILE, or U-TABLE-DUPLICATE where one ``patient`` has two rows."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError("U-TABLE-FILE", f"{name} is not UTF-8: save it as UTF-8.") from error
    table = _ndjson(text, name) if text.lstrip().startswith("{") else _csv(text, name)
    if not table.rows:
        raise TableError("U-TABLE-FILE", f"{name} has no rows: one row a patient is wanted, under a header.")
    _no_twins(table)
    return table


def _csv(text: str, name: str) -> Table:
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row] or [[]]
    except csv.Error as error:
        raise TableError("U-TABLE-FILE", f"{name} is no CSV: {error}.") from error
    names = [cell.strip() for cell in header]
    if len(set(names)) != len(names) or not all(names):
        raise TableError("U-TABLE-FILE", f"{name} has a column without a name, or two of one name.")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise TableError("U-TABLE-FILE", f"{name} line {line} has {len(row)} cells under {len(names)} names.")
    columns = {column: [row[i].strip() for row in rows] for i, column in enumerate(names)}
    return Table(name, columns, len(rows), 2)


def _ndjson(text: str, name: str) -> Table:
    rows = list[Mapping[str, object]]()
    for line, one in enumerate(text.splitlines(), start=1):
        try:
            rows += [msgspec.json.decode(one, type=dict[str, str | int | float | bool | None])] if one.strip() else []
        except msgspec.DecodeError as error:
            raise TableError("U-TABLE-FILE", f"{name} line {line} is no JSON object of plain values.") from error
    names = dict.fromkeys(key for row in rows for key in row)
    columns = {column: [_text(row.get(column)) for row in rows] for column in names}
    return Table(name, columns, len(rows), 1)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value).strip()


def _no_twins(table: Table) -> None:
    patients = [cell for cell in table.columns.get("patient", ()) if cell]
    if len(set(patients)) != len(patients):
        raise TableError(
            "U-TABLE-DUPLICATE",
            f"{table.name} has {len(patients) - len(set(patients))} more rows than patients: keep one row a patient.",
        )


def require(table: Table, names: Sequence[str]) -> None:
    """Refuse a table that lacks a column; TableError U-TABLE-COLUMN names them, and the nearest that is there."""
    if lacking := [name for name in names if name not in table.columns]:
        near = get_close_matches(lacking[0], table.columns, n=1)
        hint = f" Is “{near[0]}” meant for {lacking[0]}?" if near else ""
        raise TableError("U-TABLE-COLUMN", f"{table.name} lacks the column {', '.join(lacking)}.{hint}")


def numbers(table: Table, column: str) -> Array:
    """Return a column as numbers, NaN where empty; TableError U-TABLE-VALUE for anything else."""
    return np.array([_number(cell, table, column, i) for i, cell in enumerate(table.columns[column])])


def _number(cell: str, table: Table, column: str, row: int) -> float:
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise _bad(table, column, row, "a finite number, or nothing")
    return value


def probabilities(table: Table, column: str) -> Array:
    """Return a column strictly between 0 and 1, none of it empty."""
    found = numbers(table, column)
    for row in np.flatnonzero(~((found > 0) & (found < 1))):
        raise _bad(table, column, int(row), "a probability above 0 and below 1")
    return found


def flags(table: Table, column: str) -> Array:
    """Return a column of 0 and 1, NaN where empty."""
    cells = table.columns[column]
    for row, cell in enumerate(cells):
        if cell and cell.lower() not in _YES_NO:
            raise _bad(table, column, row, "0 or 1, or nothing where it is not known")
    return np.array([_YES_NO[cell.lower()] if cell else math.nan for cell in cells])


def _bad(table: Table, column: str, row: int, wanted: str) -> TableError:
    return TableError("U-TABLE-VALUE", f"{table.name} line {table.first + row}: {column} wants {wanted}.")


def is_number(table: Table, column: str) -> bool:
    """Return whether every cell that is not empty is a number."""
    try:
        return bool(np.isfinite(numbers(table, column)).any())
    except TableError:
        return False
