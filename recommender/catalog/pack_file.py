"""A site's knowledge pack as it lies on the disk: ``pack.toml`` and tables of the shipped names and columns.

What is written is read here, cell by cell; what it means beside the shipped rows is judged in ``packs``.
"""

import csv
import difflib
import io
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from recommender.errors import KnowledgeError

PACK_COLUMNS = ("retired", "approved_by", "approved_on", "approved_reason")
EMPTY = "(empty)"
_ABOUT = ("name", "version", "date", "approved_by", "contact")
_BESIDE = frozenset({"pack.toml", "README.md"})
_NAME, _VERSION = re.compile(r"[a-z][a-z0-9-]{0,39}"), re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class About:
    """Who stands behind a pack: ``name`` and ``version`` as versions and sources show them."""

    name: str
    version: str
    date: str
    approved_by: str
    contact: str

    @property
    def key(self) -> str:
        """The key under which reasons name the pack as their source."""
        return f"PACK-{self.name.upper()}"

    @property
    def label(self) -> str:
        """Name and version in one word."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class PackRow:
    """One row: ``cells`` are those that were filled in (``(empty)`` empties a cell), ``columns`` those of its file."""

    place: str
    columns: tuple[str, ...]
    cells: Mapping[str, str]
    retired: bool

    @property
    def approved(self) -> bool:
        """Whether somebody stands for this row by name, with a day and a reason."""
        return all(self.cells.get(name) for name in PACK_COLUMNS[1:])


@dataclass(frozen=True, slots=True)
class PackFile:
    """A pack as it was written: its rows by table, in the order of the file."""

    about: About
    rows: Mapping[str, tuple[PackRow, ...]]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message: the known name that is meant, or all of them where none is near."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(names)}" if len(names) <= 40 else ""


def read(folder: Path, known: Mapping[str, tuple[str, ...]]) -> tuple[PackFile | None, tuple[KnowledgeError, ...]]:
    """Return the pack of a folder and every fault of its files; ``known``: table → its columns.

    None where ``pack.toml`` cannot be used. Faults: U-PACK-FILE, -KEY, -VALUE, -COLUMN, -ROW.
    """
    faults: list[KnowledgeError] = []
    files = _files(folder)
    about = _about(folder, faults)
    rows: dict[str, tuple[PackRow, ...]] = {}
    for file in files:
        if file.suffix == ".csv" and file.stem in known:
            rows[file.stem] = tuple(_rows(file, known[file.stem], faults))
        elif file.name not in _BESIDE:
            faults.append(_stranger(file, known))
    if about:
        faults += _misdated(rows, about)
    return (PackFile(about, rows) if about else None), tuple(faults)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise KnowledgeError("U-PACK-FILE", f"{folder}: there is no such folder; give the one that holds pack.toml")
    return sorted(file for file in folder.iterdir() if not file.name.startswith("."))


def _stranger(file: Path, known: Mapping[str, object]) -> KnowledgeError:
    if file.stem in ("evidence", "preferences"):
        text = "the model is made from it, so a pack cannot change it; take it out"
        return KnowledgeError("U-PACK-FILE", f"{file.name}: {text}")
    near = nearest(file.name, (f"{name}.csv" for name in known))
    return KnowledgeError("U-PACK-FILE", f"{file.name}: a pack has no such file{near}")


def _about(folder: Path, faults: list[KnowledgeError]) -> About | None:
    found = _toml(folder / "pack.toml")
    for name in (name for name in found if name not in _ABOUT):
        faults.append(KnowledgeError("U-PACK-KEY", f"pack.toml: no key {name}{nearest(name, _ABOUT)}"))
    values = {name: found[name] for name in _ABOUT if name in found}
    before = len(faults)
    faults += (
        KnowledgeError("U-PACK-VALUE", f"pack.toml: {name} {what}")
        for name in _ABOUT
        if (what := _unusable(name, values.get(name)))
    )
    if len(faults) > before:
        return None
    return About(**{name: _plain(value) for name, value in values.items()})


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise KnowledgeError("U-PACK-FILE", f"{path}: {error.strerror}; a pack needs a pack.toml") from error
    except ValueError as error:
        raise KnowledgeError("U-PACK-FILE", f"{path}: not TOML in UTF-8 ({error}); mend the file") from error


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value).strip()


def _unusable(name: str, value: Any) -> str:
    """Say what is wrong with a value of pack.toml, empty for nothing."""
    if value is None or not _plain(value):
        return "is missing; it is needed"
    text = _plain(value)
    if name == "name" and not _NAME.fullmatch(text):
        return "must be small letters, digits and hyphens, 40 at most"
    if name == "version" and not _VERSION.fullmatch(text):
        return "must be one word of letters, digits, dots and hyphens"
    return "must be a day such as 2026-11-22" if name == "date" and not _day(text) else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _rows(file: Path, known: tuple[str, ...], faults: list[KnowledgeError]) -> Iterator[PackRow]:
    try:
        # Spreadsheets put a byte order mark before UTF-8.
        reader = csv.reader(io.StringIO(file.read_text("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (OSError, ValueError, csv.Error) as error:
        faults.append(KnowledgeError("U-PACK-FILE", f"{file.name}: not CSV in UTF-8 ({error}); mend the file"))
        return
    header = lines[0][1] if lines else []
    wrong = list(_header_faults(file.name, header, known))
    faults += wrong
    for number, cells in lines[1:] if not wrong else ():
        place = f"{file.name} line {number}"
        if len(cells) != len(header):
            text = f"{len(cells)} cells, the first line has {len(header)}; quote cells that hold commas"
            faults.append(KnowledgeError("U-PACK-ROW", f"{place}: {text}"))
            continue
        row = _row(place, dict(zip(header, cells, strict=True)))
        faults += _marks(row)
        yield row


def _header_faults(name: str, header: list[str], known: tuple[str, ...]) -> Iterator[KnowledgeError]:
    if not header:
        yield KnowledgeError("U-PACK-COLUMN", f"{name}: it is empty; its first line names the columns")
    for column in dict.fromkeys(header):
        if header.count(column) > 1:
            yield KnowledgeError("U-PACK-COLUMN", f"{name}: column {column!r} is there twice")
        elif column not in known and column not in PACK_COLUMNS:
            hint = "; separate columns by commas" if ";" in column else nearest(column, (*known, *PACK_COLUMNS))
            yield KnowledgeError("U-PACK-COLUMN", f"{name}: no column {column!r}{hint}")


def _row(place: str, given: dict[str, str]) -> PackRow:
    filled = {name: "" if cell == EMPTY else cell for name, cell in given.items() if cell}
    return PackRow(place, tuple(given), filled, filled.get("retired") == "yes")


def _marks(row: PackRow) -> Iterator[KnowledgeError]:
    retired, day = row.cells.get("retired", ""), row.cells.get("approved_on", "")
    if retired not in ("", "yes", "no"):
        yield KnowledgeError("U-PACK-VALUE", f"{row.place}: retired is yes or left empty")
    if day and not _day(day):
        yield KnowledgeError("U-PACK-VALUE", f"{row.place}: approved_on must be a day such as 2026-11-22")
    if any(row.cells.get(name) for name in PACK_COLUMNS[1:]) and not row.approved:
        text = "an approval needs approved_by, approved_on and approved_reason"
        yield KnowledgeError("U-PACK-VALUE", f"{row.place}: {text}")


def _misdated(rows: Mapping[str, tuple[PackRow, ...]], about: About) -> Iterator[KnowledgeError]:
    for row in (row for held in rows.values() for row in held):
        day = _day(row.cells.get("approved_on", ""))
        if day and day.isoformat() > about.date:
            text = f"approved on {day}, after the pack's own date {about.date}; correct one of them"
            yield KnowledgeError("U-PACK-VALUE", f"{row.place}: {text}")
