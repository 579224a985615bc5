"""What ``undersign simulate`` writes: the table with its data dictionary, and the patients as FHIR."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, Protocol

from recommender.cohort import evidence as evidences
from recommender.cohort.course import WEEKS
from recommender.cohort.people import PROBLEMS
from recommender.cohort.simulator import Cohort, Setting, simulate
from recommender.cohort.table import Column, Record, dictionary, records
from recommender.errors import SimulationError

Format = Literal["csv", "ndjson"]
DICTIONARY, MANIFEST = "dictionary.csv", "simulation.json"
_FIRST, _SPREAD, _STRIDE = 100, 365, 37  # days before today on which the drugs were begun
_LAST_STOP = 7  # weeks


class FhirWriter(Protocol):
    """What writes simulated people as FHIR (conformance.reference_ehr.cohort)."""

    Person: Callable[..., Any]

    def export(self, people: Iterable[tuple[Any, str]], folder: Path) -> int:
        """Write the people, each in a dialect, and return the number of resources."""
        ...

    def names(self) -> Sequence[str]:
        """Return the names of the dialects."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to simulate and how to write it; FHIR dates count back from ``day``, ``dialect`` None is each site's own."""

    patients: int
    seed: int
    setting: Setting
    kind: Format
    dialect: str | None
    day: date


Advance = Callable[[int], None]
Progress = Callable[[str, int], AbstractContextManager[Advance]]


def run(
    wanted: Wanted, out: Path, writer: FhirWriter | None, progress: Progress, report: Callable[[str], None]
) -> None:
    """Write table, dictionary and account into ``out``, and FHIR when there is a writer.

    SimulationError U-SIMULATE-OUT.
    """
    folder, evidence = prepared(out), evidences.load()
    started = perf_counter()
    cohort = simulate(evidence, patients=wanted.patients, seed=wanted.seed, setting=wanted.setting)
    report(f"drawn in {perf_counter() - started:.1f} s")
    name = f"sim-{wanted.seed}"
    with progress("writing rows", wanted.patients) as advance:
        table = write_table(cohort, name, folder, wanted.kind, advance)
    report(f"{wanted.patients:,} patients of {int(cohort.site.max()) + 1:,} sites: {table}")
    if writer is not None:
        with progress("writing FHIR", wanted.patients) as advance:
            count = write_fhir(cohort, name, folder, wanted.day, wanted.dialect, writer, advance)
        report(f"{count:,} resources: {folder / 'fhir'}")
    told = {"patients": wanted.patients, "seed": wanted.seed, "evidence": evidence.version, **asdict(wanted.setting)}
    dated = {"fhir_counted_back_from": wanted.day.isoformat()} if writer else {}
    (folder / MANIFEST).write_text(json.dumps(told | dated, indent=2) + "\n", encoding="utf-8")


def prepared(folder: Path) -> Path:
    """Return the folder, made where it was not there; SimulationError U-SIMULATE-OUT."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
        if not occupied:
            probe = folder / ".undersign"
            probe.touch()
            probe.unlink()
    except OSError as error:
        raise SimulationError(
            "U-SIMULATE-OUT", f"{folder} cannot be written: {error.strerror}. Name another folder."
        ) from error
    if occupied:
        raise SimulationError("U-SIMULATE-OUT", f"{folder} is not empty: name a new folder, nothing was written.")
    return folder


def write_table(cohort: Cohort, name: str, folder: Path, kind: Format, advance: Advance) -> Path:
    """Write one row a patient and the data dictionary; returns the table's path. ``advance`` gets the rows so far."""
    columns = dictionary(cohort)
    _write_dictionary(columns, folder / DICTIONARY)
    path = folder / f"patients.{kind}"
    with path.open("w", encoding="utf-8", newline="") as out:
        lines = csv.DictWriter(out, [column.name for column in columns], lineterminator="\n")
        if kind == "csv":
            lines.writeheader()
        for number, record in enumerate(records(cohort, name), start=1):
            row = {column: _plain(value) for column, value in record.items() if value is not None}
            if kind == "csv":
                lines.writerow(row)
            else:
                out.write(json.dumps(row, separators=(",", ":")) + "\n")
            advance(number)
    return path


def write_fhir(
    cohort: Cohort,
    name: str,
    folder: Path,
    today: date,
    dialect: str | None,
    writer: FhirWriter,
    advance: Advance,
) -> int:
    """Write each patient in the dialect of the site, or in the one named for all; returns the number of resources."""

    def people() -> Iterator[tuple[Any, str]]:
        for i, record in enumerate(records(cohort, name)):
            yield writer.Person(**person(record, i, begun(i, today))), dialect or str(record["ehr"])
            advance(i + 1)

    return writer.export(people(), folder / "fhir")


def begun(number: int, today: date) -> date:
    """Return the day on which a patient began the drug: 100 to 464 days ago, so that eight weeks are over."""
    return today - timedelta(days=_FIRST + number * _STRIDE % _SPREAD)


def person(record: Record, number: int, day: date) -> dict[str, Any]:
    """Return what a chart shows of one row of the table; the week of stopping is not in it and follows a pattern."""
    weeks = {week: record[f"phq9_week_{week}"] for week in WEEKS}
    listed = record[PROBLEMS[0]] is not None
    return {
        "id": record["patient"],
        "day": day,
        "age": _whole(record["age"]),
        "sex": record["sex"],
        "weeks": {week: total for week, total in weeks.items() if total is not None},
        "gad7": record["gad7_total"],
        "bmi": record["bmi"],
        "flags": frozenset(name for name in PROBLEMS if record[name]) if listed else None,
        "trials": _whole(record["antidepressant_trials"]),
        "phenotype": record["cyp2c19_phenotype"],
        "drug": record["given"],
        "stopped": 1 + number % _LAST_STOP if record["stopping"] else None,
        "adverse": bool(record["adverse-event-stopping"]),
        "groups": {name: record[name] for name in ("race", "ethnicity", "language")},
    }


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _write_dictionary(columns: Iterable[Column], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(Column._fields)
        lines.writerows(columns)


def _plain(value: str | float | None) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value
