"""``undersign knowledge``: check, compare, show and export the tables, as JSON or as a page."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import typer

from recommender.catalog import packs
from recommender.catalog.drug_sheet import sheet
from recommender.catalog.knowledge_counts import change_json, counts, pack_of
from recommender.catalog.knowledge_diff import Tables, changes
from recommender.errors import KnowledgeError, PackError
from service.knowledge_pages import page as page
from service.knowledge_pages.drug_sheet import print_sheet
from service.terminal import plain_or_coloured

FORMAT = 1
SHIPPED = "shipped"


def check_of(pack: Path | None, *, as_json: bool) -> int:
    """Print what the tables hold, or every fault of them; returns 1 when there is a fault, else 0."""
    try:
        found = counts(packs.opened(pack))
    except KnowledgeError as error:
        faults = error.faults if isinstance(error, PackError) else (error,)
        _print_faults(faults, as_json=as_json)
        return 1
    if as_json:
        _print_json({"ok": True, **found})
    else:
        page.print_counts(plain_or_coloured(), found)
    return 0


def _print_faults(faults: tuple[KnowledgeError, ...], *, as_json: bool) -> None:
    if as_json:
        _print_json({"ok": False, "errors": [{"code": one.code, "message": one.message} for one in faults]})
        return
    for one in faults:
        typer.echo(f"{one.code}: {one.message}", err=True)


def diff_of(before: str, after: str, *, as_json: bool) -> None:
    """Print what differs between two sets of tables; KnowledgeError where one of them cannot be read."""
    (old, first), (new, second) = _tables(before), _tables(after)
    found = changes(old, new)
    if as_json:
        _print_json({"before": first, "after": second, "changes": [change_json(one) for one in found]})
    else:
        page.print_diff(plain_or_coloured(), first, second, found)


def _tables(which: str) -> tuple[Tables, str]:
    """Return the tables of a pack's folder, an exported file or what is shipped, with their version."""
    path = Path(which)
    if which == SHIPPED or path.is_dir():
        opened = packs.opened(None if which == SHIPPED else path)
        return opened.tables, opened.knowledge.version
    return _exported(path)


def _exported(path: Path) -> tuple[Tables, str]:
    try:
        found: Any = json.loads(path.read_text("utf-8"))
    except OSError as error:
        text = "give a pack's folder, a file of knowledge export, or shipped"
        raise KnowledgeError("U-KNOWLEDGE-FILE", f"{path}: {error.strerror}; {text}") from error
    except ValueError as error:
        raise _no_export(path) from error
    if not isinstance(found, dict):
        raise _no_export(path)
    whole = cast("dict[str, Any]", found)
    if whole.get("format") != FORMAT or not _is_tables(whole.get("tables")):
        raise _no_export(path)
    tables: dict[str, list[Mapping[str, str]]] = whole["tables"]
    return {name: tuple(rows) for name, rows in tables.items()}, str(whole.get("version"))


def _is_tables(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    tables = cast("dict[str, Any]", value)
    return all(isinstance(rows, list) and all(map(_is_row, cast("list[Any]", rows))) for rows in tables.values())


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(cell, str) for cell in cast("dict[str, Any]", value).values())


def _no_export(path: Path) -> KnowledgeError:
    return KnowledgeError("U-KNOWLEDGE-FILE", f"{path}: not a file that knowledge export wrote; write it again")


def show_of(drug: str, pack: Path | None, *, as_json: bool) -> None:
    """Print one drug's sheet; KnowledgeError U-DRUG-UNKNOWN with the nearest name for a drug that nobody knows."""
    found = sheet(drug, packs.opened(pack))
    if as_json:
        _print_json(found)
    else:
        print_sheet(plain_or_coloured(), found)


def export_to(file: Path, pack: Path | None) -> None:
    """Write the tables, with version and pack, as JSON that is the same for the same rows."""
    opened = packs.opened(pack)
    whole = {
        "format": FORMAT,
        "version": opened.knowledge.version,
        "pack": pack_of(opened),
        "tables": {name: [dict(row) for row in rows] for name, rows in opened.tables.items()},
    }
    file.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
    typer.echo(f"{file}: knowledge {opened.knowledge.version}")


def _print_json(value: Mapping[str, Any]) -> None:
    text = json.dumps({"format": FORMAT, **value}, ensure_ascii=False, separators=(",", ":"))
    typer.echo(text, file=sys.stdout)
