"""``make bench``: one patient-view call of 250 KB, whole and in its parts, as ratios of one interleaved run."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fhir_adapters import terminology
from tests.bench import adapters, drugs, inside, loopback, payload, rules, scoring, storing
from tests.bench.rounds import Times, median, percentile

TARGET_MS = 20.0


def main() -> None:
    """Measure and print; ``--quick`` is for trying it out."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    few = parser.parse_args().quick
    today = datetime.now(UTC).astimezone().date()
    call = payload.build(today)
    console = Console()
    console.print(f"One patient-view call of {len(call.body):,} bytes; medians of interleaved rounds, milliseconds.")
    console.print(_parts(inside.measure(call, today, 10 if few else 150)))
    console.print(_bars(adapters.measure(call, today, 5 if few else 60)))
    console.print(rules.table(rules.measure(call, today, 5 if few else 40)))
    console.print(scoring.table(scoring.measure(5 if few else 60)))
    if drugs.CORPUS.is_dir():
        drugs.report(console, terminology.load(), reasons=False)
    with tempfile.TemporaryDirectory() as folder:
        console.print(storing.table(storing.measure(Path(folder), 30 if few else 500)))
    with tempfile.TemporaryDirectory() as folder:
        measured = loopback.measure(call, Path(folder), 3 if few else 40, 10)
    console.print(_calls(measured))
    whole = median(measured.times[loopback.NEW])
    verdict = "met" if whole < TARGET_MS else "missed"
    console.print(f"A call's median under {TARGET_MS:.0f} ms on one worker: {verdict} ({whole:.1f} ms).")


def _parts(times: Times) -> Table:
    table = _table("In one process", ("part", "p50", "× json.loads", "× msgspec"))
    plain, fast = median(times[inside.JSON]), median(times[inside.MSGSPEC])
    for name, series in times.items():
        middle = median(series)
        table.add_row(name, f"{middle:.2f}", f"{middle / plain:.2f}", f"{middle / fast:.2f}")
    return table


def _bars(rows: Sequence[adapters.Row]) -> Table:
    table = _table("The adapters beside orjson.loads of the same bytes", ("work", "p50", "ratio", "bar", ""))
    for row in rows:
        met = "" if row.met is None else "met" if row.met else "missed"
        table.add_row(row.job, f"{row.milliseconds:.2f}", f"{row.ratio:.2f}", row.bar, met)
    return table


def _calls(measured: loopback.Measured) -> Table:
    title = "Whole calls over HTTP on loopback, one worker, one connection"
    table = _table(title, ("call", "p50", "p99", "CPU", "p50 × echo", "CPU × echo"))
    middle = {name: median(series) for name, series in measured.times.items()}
    for name, series in measured.times.items():
        table.add_row(
            name,
            f"{middle[name]:.2f}",
            f"{percentile(series, 0.99):.2f}",
            _number(measured.cpu[name]),
            f"{middle[name] / middle[loopback.ECHO]:.1f}",
            _ratio(measured.cpu, name),
        )
    return table


def _ratio(cpu: Mapping[str, float | None], name: str) -> str:
    own, echo = cpu[name], cpu[loopback.ECHO]
    return _number(own / echo if own and echo else None)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


if __name__ == "__main__":
    main()
