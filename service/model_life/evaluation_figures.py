"""What an evaluation needs a clock or an EHR for: how long scoring takes, and one patient through every dialect."""

import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.dialect.profile import load as load_profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.reading import population
from fhir_adapters.reading.told import assumed
from recommender.cohort.evidence import Array
from recommender.cohort.simulator import Setting, simulate
from recommender.cohort.table import records
from recommender.ranker.model import Model, rows, scores
from service.model_life.simulated import FhirWriter, person

PLAIN = "base-r4"
CANDIDATES, CALLS, WARM = 40, 500, 20
PATIENTS = 60
_OUTCOME = 0  # remission
_SHORTLIST = 3
_AGO = 100  # days since the drug was begun


def latency(model: Model) -> dict[str, list[float]]:
    """Return median and 99th percentile of scoring 40 candidates on every outcome: ms of this thread's processor time.

    Not of the clock, which would measure whatever else runs on the machine.
    """
    cohort = simulate(model.evidence, patients=10, seed=1)
    place = np.arange(CANDIDATES, dtype=np.intp)
    table = cohort.rows(place % 10, place % len(cohort.drugs))
    taken = list[float]()
    for _ in range(WARM + CALLS):
        began = time.thread_time()
        scores(model, table)
        taken.append(1000 * (time.thread_time() - began))
    return {f"latency_p{part}": [float(np.percentile(taken[WARM:], part))] for part in (50, 99)}


def dialects(
    model: Model, writer: FhirWriter, seed: int, today: date, report: Callable[[str], None]
) -> dict[str, list[float]]:
    """Return whether the same simulated patients mean the same to the model in every dialect of the reference EHR.

    A pair of a patient and a dialect counts where the dialect loses none of the model's columns; the share of
    those that do is a figure of its own.
    """
    cohort = simulate(model.evidence, patients=PATIENTS, seed=seed, setting=Setting(observed=True))
    charts = [person(record, i, today - timedelta(days=_AGO)) for i, record in enumerate(records(cohort, "same"))]
    with TemporaryDirectory() as folder:
        read = {name: _read(model, writer, charts, name, Path(folder), today) for name in _named(writer, report)}
    plain = read.pop(PLAIN)
    pairs = [(before, found[who]) for found in read.values() for who, before in plain.items() if who in found]
    missed = sum(len(plain.keys() - found.keys()) for found in read.values())
    return _compared(model, [(before, after) for before, after in pairs], len(pairs) + missed)


def _named(writer: FhirWriter, report: Callable[[str], None]) -> Sequence[str]:
    names = list(writer.names())
    report(f"{PATIENTS} patients through {len(names)} dialects")
    return names


def _read(
    model: Model, writer: FhirWriter, charts: Sequence[dict[str, Any]], dialect: str, folder: Path, today: date
) -> dict[str, Array]:
    """Return the model's rows of each patient who can be read, by id, on every drug."""
    writer.export(((writer.Person(**chart), dialect) for chart in charts), folder)
    profile, terms = load_profile(dialect), terminology.load()
    found = dict[str, Array]()
    for item in population.charts(
        [folder / dialect],
        repairs=profile.repairs,
        assumed=assumed(profile.fhir_versions),
        notices=profile.notices,
        progress=lambda _: None,
    ):
        if not isinstance(item.chart, InputError):
            adapted = adapt_chart(Reading(item.chart, profile, terms), today)
            name = adapted.patient.reference.rpartition("/")[2]
            found[name] = rows(adapted.features, tuple(model.evidence.drugs), model.evidence)
    return found


def _compared(model: Model, pairs: Sequence[tuple[Array, Array]], everybody: int) -> dict[str, list[float]]:
    whole = [(before, after) for before, after in pairs if not (np.isnan(after) & ~np.isnan(before)).any()]
    same = [np.array_equal(before, after, equal_nan=True) for before, after in whole]
    told = [(scores(model, before), scores(model, after)) for before, after in whole]
    first = [_first(before) == _first(after) for before, after in told]
    apart = [float(np.nanmax(np.abs(before - after))) for before, after in told]
    return {
        "dialect_whole": [len(whole) / everybody],
        "dialect_features": [float(np.mean(same))],
        "dialect_top3": [float(np.mean(first))],
        "dialect_difference": [max(apart)],
    }


def _first(chances: Array) -> list[int]:
    order = np.argsort(-chances[:, _OUTCOME], kind="stable")
    return [int(place) for place in order[:_SHORTLIST]]
