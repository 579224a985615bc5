"""The adapters alone: reading and whole vectors beside ``orjson.loads`` of the same bytes, each with its bar."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from time import thread_time
from typing import NamedTuple

import orjson

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart, adapt_prefetch
from fhir_adapters.dialect import profile
from fhir_adapters.facts import Reading
from fhir_adapters.reading import population, reader
from fhir_adapters.reading.reader import Chart
from tests.bench.payload import PATIENT, Call, Json
from tests.bench.rounds import Times, interleaved, median

_CALLS = 10  # of one job in a row, as a busy service makes them
_PATIENTS = 40
_PLAIN, _PLAIN_LINES, _PLAIN_EXPORT = "orjson, call", "orjson, lines", "orjson, export"
_READ, _VECTOR = "a call: reading", "a call: to feature vector"
_LINES = "one patient's NDJSON: reading"
_EXPORT, _CHECKED = "an export: reading and grouping", "an export: the same with the strict check"
_EXPORT_VECTORS = "an export: to feature vectors"


class Bar(NamedTuple):
    """What is measured: ``job`` over ``plain`` at most ``most`` in time, or at least ``least`` in speed."""

    job: str
    plain: str
    most: float | None = None
    least: float | None = None


BARS = (
    Bar(_READ, _PLAIN, most=0.6),
    Bar(_VECTOR, _PLAIN, most=2.5),
    Bar(_LINES, _PLAIN_LINES, least=1.0),
    Bar(_EXPORT, _PLAIN_EXPORT),
    Bar(_CHECKED, _PLAIN_EXPORT),
    Bar(_EXPORT_VECTORS, _PLAIN_EXPORT, least=0.3),
)


class Row(NamedTuple):
    """One line of the table: milliseconds, the ratio, the bar and whether it was met (None without a bar)."""

    job: str
    milliseconds: float
    ratio: float
    bar: str
    met: bool | None


def measure(call: Call, today: date, rounds: int) -> Sequence[Row]:
    """Return the rows, in CPU time; garbage is collected as it is in the service."""
    with tempfile.TemporaryDirectory() as folder:
        files = tuple(_export(call, Path(folder)))
        once, export = _of_call(call, today), _of_export(files, today)
        gc.collect()
        gc.freeze()
        try:
            of_export = interleaved(export, max(3, rounds // 10), clock=thread_time)
            times = {**interleaved(once, rounds, _CALLS, thread_time), **of_export}
        finally:
            gc.unfreeze()
    return [_row(bar, times) for bar in BARS]


def _row(bar: Bar, times: Times) -> Row:
    own, plain = median(times[bar.job]), median(times[bar.plain])
    if bar.most is not None:
        return Row(bar.job, own, own / plain, f"≤ {bar.most} × its time", own / plain <= bar.most)
    met = None if bar.least is None else plain / own >= bar.least
    return Row(bar.job, own, plain / own, "its speed" if bar.least is None else f"≥ {bar.least} × its speed", met)


def _of_call(call: Call, today: date) -> Mapping[str, Callable[[], object]]:
    dialect = profile.load("us-core-r4")
    lines = b"\n".join(map(orjson.dumps, _resources(call.body)))
    return {
        _PLAIN: lambda: orjson.loads(call.body),
        _READ: lambda: reader.read_prefetch(call.values, PATIENT, checked=True),
        _VECTOR: lambda: adapt_prefetch(call.values, PATIENT, today, dialect, checked=True),
        _PLAIN_LINES: lambda: sum(1 for line in lines.splitlines() if orjson.loads(line)),
        _LINES: lambda: reader.read(lines, checked=True),
    }


def _of_export(files: Sequence[Path], today: date) -> Mapping[str, Callable[[], object]]:
    dialect, terms = profile.load("us-core-r4"), terminology.load()

    def charts(*, checked: bool) -> Iterator[Chart]:
        for item in population.charts(files, repairs=dialect.repairs, checked=checked):
            if not isinstance(item.chart, Chart):
                raise item.chart
            yield item.chart

    return {
        _PLAIN_EXPORT: lambda: sum(
            1 for file in files for line in file.read_bytes().splitlines() if orjson.loads(line)
        ),
        _EXPORT: lambda: sum(1 for _ in charts(checked=True)),
        _CHECKED: lambda: sum(1 for _ in charts(checked=False)),
        _EXPORT_VECTORS: lambda: sum(
            1 for one in charts(checked=True) if adapt_chart(Reading(one, dialect, terms), today)
        ),
    }


def _export(call: Call, folder: Path) -> Iterator[Path]:
    """Yield the files of a bulk export of many patients, one resource type a file."""
    lines: dict[str, list[bytes]] = {}
    for number in range(_PATIENTS):
        for resource in _resources(call.of_patient(number)):
            lines.setdefault(resource["resourceType"], []).append(orjson.dumps(resource))
    for kind, held in sorted(lines.items()):
        path = folder / f"{kind}.ndjson"
        path.write_bytes(b"\n".join(held))
        yield path


def _resources(body: bytes) -> Iterator[Json]:
    for value in orjson.loads(body)["prefetch"].values():
        if value is not None:
            yield from [one["resource"] for one in value["entry"]] if "entry" in value else [value]
