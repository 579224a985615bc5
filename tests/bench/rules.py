"""All safety rules for every antidepressant, by chart: ``python -m tests.bench.rules`` prints this table alone."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from conformance.reference_ehr import dialects, patients
from conformance.reference_ehr.dialects import envelopes
from fhir_adapters.adapt import adapt, adapt_prefetch
from fhir_adapters.canonical import CanonicalPatient, FeatureVector, Genotype
from fhir_adapters.dialect import profile
from recommender.catalog import knowledge
from recommender.safety import rules
from tests import factories as make
from tests.bench import payload
from tests.bench.payload import PATIENT, Call
from tests.bench.rounds import interleaved, median

TARGET_MS = 1.0
_CALLS = 5  # of one job in a row, as a busy service makes them
_PLAIN, _ADAPTED = "orjson.loads of the call", "adapt_prefetch of the call"
_CALL, _CROWDED = "the call", "a crowded chart"
_TAKEN = ("citalopram", "ibuprofen", "tramadol", "lithium", "warfarin", "omeprazole", "alprazolam", "ondansetron")
_STOPPED = (("phenelzine", 9), ("fluoxetine", 20))
_PROBLEMS = (
    "mdd", "seizure_disorder", "liver_disease", "angle_closure_glaucoma", "hypertension", "heart_failure",
    "mania", "anorexia_nervosa", "urinary_retention", "sleep_apnea",
)  # fmt: skip
_MEASURED = {
    "age": 67.0, "sodium": 128.0, "potassium": 3.1, "qtc": 505.0, "egfr": 22.0, "crcl": 25.0, "systolic_bp": 185.0,
    "diastolic_bp": 112.0, "heart_rate": 45.0, "bilirubin_total": 2.5, "albumin": 3.0, "inr": 1.9,
}  # fmt: skip
_GENES = (("CYP2D6", "diplotype", "*1/*4"), ("CYP2C19", "phenotype", "Poor Metabolizer"))

Facts = tuple[CanonicalPatient, FeatureVector]


class Row(NamedTuple):
    """One chart: how many findings, the milliseconds, and their ratio to two plain jobs of the same run."""

    chart: str
    findings: int
    milliseconds: float
    plain: float
    adapted: float


class Measured(NamedTuple):
    """How many drugs were judged, a row a chart, and the median of all charts in milliseconds."""

    drugs: int
    rows: Sequence[Row]
    middle: float


def measure(call: Call, today: date, rounds: int) -> Measured:
    """Return what the rules take; garbage is collected as it is in the service."""
    known, dialect = knowledge.load(), profile.load("us-core-r4")
    drugs = [name for name in known.drugs if known.in_class(name, "antidepressant")]

    def judged(facts: Facts) -> Callable[[], Mapping[str, Sequence[object]]]:
        return lambda: rules.evaluate_all(drugs, *facts, known)

    jobs = {name: judged(facts) for name, facts in _charts(call, today)}
    plain: dict[str, Callable[[], object]] = {
        _PLAIN: lambda: orjson.loads(call.body),
        _ADAPTED: lambda: adapt_prefetch(call.values, PATIENT, today, dialect, checked=True),
    }
    gc.collect()
    gc.freeze()
    try:
        times = {name: median(held) for name, held in interleaved({**plain, **jobs}, rounds, _CALLS).items()}
    finally:
        gc.unfreeze()
    rows = [
        Row(
            name, sum(map(len, job().values())), times[name], times[name] / times[_PLAIN], times[name] / times[_ADAPTED]
        )
        for name, job in jobs.items()
    ]
    return Measured(len(drugs), rows, median([row.milliseconds for row in rows]))


def table(measured: Measured) -> Table:
    """Return the rows as a table, and whether the median met its bar."""
    verdict = "met" if measured.middle < TARGET_MS else "missed"
    table = Table(
        title=f"All rules for the {measured.drugs} antidepressants",
        title_justify="left",
        caption=f"Median of all charts under {TARGET_MS:.0f} ms: {verdict} ({measured.middle:.2f} ms).",
        caption_justify="left",
    )
    for place, column in enumerate(("chart", "findings", "p50", "× orjson, call", "× adapters, call")):
        table.add_column(column, justify="right" if place else "left")
    for row in measured.rows:
        numbers = (row.milliseconds, row.plain, row.adapted)
        table.add_row(row.chart, str(row.findings), *(f"{one:.2f}" for one in numbers))
    return table


def _charts(call: Call, today: date) -> Iterator[tuple[str, Facts]]:
    adapted = adapt_prefetch(call.values, PATIENT, today, profile.load("us-core-r4"))
    yield _CALL, (adapted.patient, adapted.features)
    for person in patients.load(today):
        adapted = adapt(envelopes.dumped(dialects.bundle(person.resources, "base-r4")), today)
        yield person.id, (adapted.patient, adapted.features)
    yield _CROWDED, _crowded()


def _crowded() -> Facts:
    """Return somebody with much of what rules ask for, and a drug that nobody could identify."""
    stopped = (make.course(name, taking="stopped", stop=make.days_ago(days)) for name, days in _STOPPED)
    genes = tuple(
        Genotype(gene, attribute, value, make.TODAY, make.source("Observation/gene"))  # pyright: ignore[reportArgumentType]
        for gene, attribute, value in _GENES
    )
    facts = (*map(make.course, _TAKEN), make.course(), *stopped, *map(make.diagnosis, _PROBLEMS), make.allergy())
    return make.patient(*facts, genotypes=genes), make.adult(sex="female", **_MEASURED)


def main() -> None:
    """Measure and print."""
    today = datetime.now(UTC).astimezone().date()
    Console().print(table(measure(payload.build(today), today, 40)))


if __name__ == "__main__":
    main()
