"""How often monitoring raises an alarm on simulated windows: without a change, and with a planted one."""

import numpy as np

from recommender.cohort.evidence import PATIENT_FEATURES, Array, Evidence
from recommender.cohort.simulator import Cohort, Setting, simulate
from recommender.training.monitoring import GROUPS, monitor
from recommender.training.scored import REMISSION, remission_of
from recommender.training.tables import Table
from recommender.training.trained_figures import Learned

WINDOWS = 20
REFERENCE, WINDOW = 6_000, 3_000
SITES = 20
LOST = 0.08  # points of remission lost


def values(learned: Learned, evidence: Evidence, seed: int) -> dict[str, float]:
    """Return the share of ``WINDOWS`` windows that raise an alarm: unchanged, sicker, and with less remission.

    Reference and unchanged window are earlier and later patients of the same sites.
    """
    changed, rarer, unchanged = 0, 0, 0
    for window in range(WINDOWS):
        own = int(np.random.SeedSequence([seed, 7, window]).generate_state(1)[0])
        same = _cohort(evidence, own, REFERENCE + WINDOW, Setting(sites=SITES))
        other = _cohort(evidence, own, WINDOW, Setting(sites=SITES, shifted=True))
        whole = _columns(learned, same)
        reference, later = _part(whole, slice(REFERENCE), "reference"), _part(whole, slice(REFERENCE, None), "window")
        unchanged += bool(monitor(reference, later).alarms)
        changed += bool(monitor(reference, _part(_columns(learned, other), slice(None), "window")).alarms)
        lost = monitor(reference, _losing(later, np.random.default_rng(own)))
        rarer += any(alarm.family == "calibration" for alarm in lost.alarms)
    return {
        "drift_false": unchanged / WINDOWS,
        "drift_found": changed / WINDOWS,
        "drift_rate_found": rarer / WINDOWS,
    }


def _cohort(evidence: Evidence, seed: int, patients: int, setting: Setting) -> Cohort:
    return simulate(evidence, patients=patients, seed=seed, setting=setting)


def _columns(learned: Learned, cohort: Cohort) -> dict[str, list[str]]:
    """Return the columns that a site would hand over, as the cells of its table."""
    own = cohort.rows(np.arange(len(cohort.given), dtype=np.intp), cohort.given)
    outcome = np.where(cohort.observed, cohort.outcome[:, REMISSION], np.nan)
    numbers = {"prediction": remission_of(learned, own), "outcome": outcome}
    numbers |= {name: cohort.features[:, i] for i, name in enumerate(PATIENT_FEATURES)}
    words = {name: [str(one) for one in labels] for name, labels in cohort.groups.items() if name in GROUPS}
    # The audit's sex is a group, the record's a feature: one column, as the record has it.
    words.pop("sex", None)
    words["ehr"] = [str(one) for one in cohort.groups["dialect"]]
    words["drug"] = [cohort.drugs[i] for i in cohort.given]
    return {name: _cells(values) for name, values in numbers.items()} | words


def _cells(values: Array) -> list[str]:
    return ["" if value != value else repr(value) for value in values.tolist()]


def _part(columns: dict[str, list[str]], which: slice, name: str) -> Table:
    cells = {column: found[which] for column, found in columns.items()}
    return Table(name, cells, len(cells["prediction"]), 2)


def _losing(window: Table, rng: np.random.Generator) -> Table:
    """Return the window with some of its remissions undone, ``LOST`` of all seen outcomes."""
    outcome = window.columns["outcome"]
    held = [i for i, cell in enumerate(outcome) if cell == "1.0"]
    seen = sum(bool(cell) for cell in outcome)
    gone = {held[int(i)] for i in rng.permutation(len(held))[: round(LOST * seen)]}
    changed = ["0.0" if i in gone else cell for i, cell in enumerate(outcome)]
    return Table(window.name, {**window.columns, "outcome": changed}, window.rows, window.first)
