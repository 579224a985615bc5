"""The cohort as a site would see it: one row a patient, and what each column means.

What the site does not know (every drug's probability, the outcome that nobody recorded) is not in the table.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from fhir_adapters.vector.schema import BY_NAME
from recommender.cohort.columns import EFFICACY, OUTCOMES, PATIENT_FEATURES, STOPPING
from recommender.cohort.course import WEEKS
from recommender.cohort.people import AGE_BANDS
from recommender.cohort.simulator import Cohort

Cell = str | float | None
Record = dict[str, Cell]
_SEX = {1.0: "female", 0.0: "male"}
_NUMBERS = frozenset({"age", "phq9_total", "gad7_total", "antidepressant_trials", "bmi"})
_NOT_KNOWN = "empty where the site does not know"
_AUDIT = "for audits alone, never read by the model; "


class Column(NamedTuple):
    """One column: its name, kind of value, unit, and meaning with what an empty cell says."""

    name: str
    kind: str
    unit: str
    meaning: str


def dictionary(cohort: Cohort) -> tuple[Column, ...]:
    """Return the columns of ``records`` in their order."""
    bands = ", ".join(label for _, label in AGE_BANDS)
    return (
        Column("patient", "text", "", "id of the simulated patient, also that of its FHIR Patient"),
        Column("site", "count", "", "number of the simulated site"),
        Column("ehr", "text", "", "the dialect of the site's EHR"),
        *(_feature(name) for name in PATIENT_FEATURES),
        *(
            Column(f"{gene.lower()}_phenotype", "code", "", f"{gene} phenotype in CPIC's words; {_NOT_KNOWN}")
            for gene in cohort.phenotypes
        ),
        Column("age_band", "code", "", f"{_AUDIT}{bands}, by the recorded age, else unknown"),
        *(Column(name, "code", "", f"{_AUDIT}{_labels(cohort, name)}") for name in _audits(cohort)),
        Column("given", "text", "", "ingredient that the clinician began"),
        Column("propensity", "number", "", "probability, from 0 to 1, that this clinician gave this drug"),
        *(Column(name, "flag", "", _outcome(name)) for name in OUTCOMES),
        *(Column(f"phq9_week_{week}", "number", "{score}", f"PHQ-9 at week {week}; {_NOT_KNOWN}") for week in WEEKS),
    )


def records(cohort: Cohort, name: str) -> Iterator[Record]:
    """Yield one row a patient; patients are named ``<name>-0000001`` and on."""
    for i in range(len(cohort.given)):
        yield _record(cohort, i, f"{name}-{i + 1:07d}")


def _record(cohort: Cohort, i: int, patient: str) -> Record:
    features = {name: _number(cohort.features[i, k]) for k, name in enumerate(PATIENT_FEATURES)}
    age = cohort.groups["age_band"][i] if features["age"] is not None else "unknown"
    weeks = {f"phq9_week_{week}": _number(cohort.trajectory[i, w]) for w, week in enumerate(WEEKS)}
    drug = int(cohort.given[i])
    return {
        "patient": patient,
        "site": float(cohort.site[i]),
        "ehr": str(cohort.groups["dialect"][i]),
        **features,
        "sex": None if features["sex"] is None else _SEX[features["sex"]],
        **{f"{gene.lower()}_phenotype": str(found[i]) or None for gene, found in cohort.phenotypes.items()},
        "age_band": str(age),
        **{name: str(cohort.groups[name][i]) for name in _audits(cohort)},
        "given": cohort.drugs[drug],
        "propensity": round(float(cohort.propensity[i, drug]), 6),
        **{o: _happened(cohort, i, k, o) for k, o in enumerate(OUTCOMES)},
        **weeks,
        "phq9_week_0": features["phq9_total"],
    }


def _happened(cohort: Cohort, i: int, k: int, outcome: str) -> float | None:
    known = outcome not in EFFICACY or bool(cohort.observed[i])
    return _number(cohort.outcome[i, k]) if known else None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _feature(name: str) -> Column:
    spec = BY_NAME[name]
    kind = "code" if name == "sex" else "number" if name in _NUMBERS else "flag"
    return Column(name, kind, spec.unit or "", f"{spec.meaning}; {_NOT_KNOWN}")


def _audits(cohort: Cohort) -> list[str]:
    return [name for name in cohort.groups if name not in ("sex", "age_band", "dialect")]


def _labels(cohort: Cohort, name: str) -> str:
    return ", ".join(sorted({str(label) for label in cohort.groups[name]}))


def _outcome(name: str) -> str:
    if name in EFFICACY:
        return f"{name} at week 8 on the drug given, 1 or 0; empty where no PHQ-9 was taken then"
    if name in STOPPING:
        return f"{name.replace('-', ' ')} of the drug given within eight weeks, 1 or 0"
    return f"{name.replace('-', ' ')} on the drug given, 1 or 0; empty where no verified figure is known for the drug"
