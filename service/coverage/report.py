"""``undersign features --coverage DIR``: what a profile feeds over a folder of patients, as JSON or as a page."""

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.dialect.profile import load as load_profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.reading import population
from fhir_adapters.reading.told import assumed
from fhir_adapters.survey import feeds
from fhir_adapters.survey.coverage import OUTCOMES, Coverage, Help
from fhir_adapters.survey.suggestions import NOTHING, Suggestion, meanings
from fhir_adapters.vector.schema import FEATURES, SCHEMA_VERSION
from service.coverage.page import print_coverage
from service.terminal import plain_or_coloured

FORMAT = 1
_NAMED = 10  # files that could not be read and are named


def coverage_of(folder: Path, profile: str | None, day: date, *, as_json: bool) -> int:
    """Print how the profile feeds the patients under ``folder``; returns 1 when a file could not be read, else 0.

    InputError U-FILE (no such folder), U-FHIR-NO-PATIENT (nobody in it).
    """
    if not folder.is_dir():
        raise InputError("U-FILE", f"{folder} is no folder that can be opened: check its path")
    tally = _count(folder, load_profile(profile or "base-r4"), day)
    if not tally.patients and not tally.unread:
        raise InputError("U-FHIR-NO-PATIENT", f"no patient under {folder}: it needs FHIR as .json or .ndjson")
    if as_json:
        print(json.dumps(as_object(tally), ensure_ascii=False, separators=(",", ":")))
    else:
        print_coverage(plain_or_coloured(), tally)
    return 1 if tally.unread else 0


def _count(folder: Path, profile: Profile, day: date) -> Coverage:
    tally, terms = Coverage(day, profile.name), terminology.load()
    first = assumed(profile.fhir_versions)
    with _progress() as advance:
        for item in population.charts(
            [folder], repairs=profile.repairs, assumed=first, notices=profile.notices, progress=advance
        ):
            found = (
                item.chart if isinstance(item.chart, InputError) else _read(Reading(item.chart, profile, terms), day)
            )
            if isinstance(found, InputError):
                tally.unread[found.code] += 1
                _say(item.name, found, tally.unread.total())
            else:
                tally.add(*found)
    return tally


def _read(reading: Reading, day: date) -> tuple[Reading, Adapted] | InputError:
    try:
        return reading, adapt_chart(reading, day)
    except InputError as error:
        return error


def _say(name: str, error: InputError, count: int) -> None:
    """Name what could not be read on standard error: names of files may be patients' names, so no report has them."""
    if count <= _NAMED:
        print(f"{name}: {error.code}: {error.message}", file=sys.stderr)
    elif count == _NAMED + 1:
        print("… and more that could not be read; the report counts them", file=sys.stderr)


@contextmanager
def _progress() -> Generator[Callable[[population.Progress], None]]:
    """Show on a terminal's standard error how many files were opened and patients counted."""
    columns = (TextColumn("reading"), BarColumn(30), TextColumn("{task.fields[said]}"))
    shown = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with shown:
        task = shown.add_task("reading", total=None, said="")

        def advance(now: population.Progress) -> None:
            said = f"{now.files:,} of {now.of:,} files, {now.patients:,} patients"
            shown.update(task, completed=now.files, total=now.of, said=escape(said))

        yield advance


def as_object(tally: Coverage) -> dict[str, Any]:
    """Return the report as JSON has it (docs/coverage.md)."""
    return {
        "format": FORMAT,
        "as_of": tally.as_of.isoformat(),
        "profile": tally.profile,
        "schema": SCHEMA_VERSION,
        "patients": tally.patients,
        "fhir_versions": _sorted(tally.versions),
        "unread": _sorted(tally.unread),
        "features": {spec.name: _feature(tally, spec.name) for spec in FEATURES},
        "lists": {name: _sorted(counts) for name, counts in sorted(tally.lists.items())},
        "entries": {name: _sorted(counts) for name, counts in sorted(tally.entries.items())},
        "suggestions": [_line(one, held) for one, held in tally.lines()],
        "undecided": [_choices(tally, choices) for choices in tally.undecided()],
    }


def _feature(tally: Coverage, name: str) -> dict[str, Any]:
    outcomes = {outcome: tally.outcomes[name][outcome] for outcome in OUTCOMES}
    return {"outcomes": outcomes, "reasons": _sorted(tally.reasons[name])}


def _line(one: Suggestion, held: Help) -> dict[str, Any]:
    counts = {"patients": held.patients, "read": held.read, "fed": held.fed}
    names = sorted({name for key in held.keys for name in feeds.features_of(key)})
    said = {"seen": held.seen, "keys": sorted(held.keys), "features": names}
    return {"table": one.table, "line": one.line(held.seen), "problem": one.problem, **counts, **said}


def _choices(tally: Coverage, lines: Sequence[Suggestion]) -> dict[str, Any]:
    held = [(one, tally.helps[one]) for one in lines if one.right != NOTHING]
    choices = [{"line": one.line(it.seen), "patients": it.patients, "seen": it.seen} for one, it in held]
    return {"table": lines[0].table, "written": lines[0].left, "means": meanings(lines), "choices": choices}


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
