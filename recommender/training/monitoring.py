"""A window of live use against a reference: every field, the scores, the outcomes, and what clinicians did.

Columns with these names have a meaning of their own; every other column is a feature. All but ``prediction``
may be missing: what cannot be watched then is said. Rows of the window are in the order of time.

    patient         an identifier, only to refuse two rows of one patient
    prediction      the probability that was shown, above 0 and below 1
    outcome         1 when it came about, 0 when not, empty while not known
    overridden      1 when a suggestion was overridden
    safety_event    1 when a serious adverse event followed
    ehr             the EHR or dialect profile that the record came from
    sex, age_band, race, ethnicity, language, insurance, site   groups, compared but never read by the model

Over all checks of one window the chance of any alarm is at most ``monitor.level`` when nothing changed: the
families share it equally, and the checks of a family share theirs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.cohort.evidence import Array
from recommender.errors import TableError
from recommender.training import drift, limits, tables
from recommender.training.drift import Statistic
from recommender.training.figures import log_odds, recalibration
from recommender.training.tables import Table

GROUPS = ("sex", "age_band", "race", "ethnicity", "language", "insurance", "site")
_OWN = ("patient", "prediction", "outcome", "overridden", "safety_event", "ehr")
Family = Literal["feature", "score", "calibration", "slope", "missing", "override", "group gap", "safety"]
FAMILIES: tuple[Family, ...] = (
    "feature", "score", "calibration", "slope", "missing", "override", "group gap", "safety",
)  # fmt: skip
UNITS: Mapping[Family, str] = {
    "feature": "population stability index",
    "score": "Kolmogorov-Smirnov distance",
    "calibration": "observed minus expected, share of patients",
    "slope": "outcome minus expected along the score, a patient",
    "missing": "change of the share missing",
    "override": "change of the share overridden",
    "group gap": "change of a group's observed minus predicted against all others",
    "safety": "events above the number expected",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its family, what was looked at, the figure, the size at which it counts, and whether it does.

    ``row`` is the number of the window's row at which a sequential limit was crossed, None for any other check.
    """

    family: Family
    what: str
    figure: float
    limit: float
    unit: str
    alarm: bool
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """All checks of one window, alarms first, and what could not be watched."""

    reference: int
    window: int
    findings: Sequence[Finding]
    not_watched: Sequence[str]
    level: float

    @property
    def alarms(self) -> Sequence[Finding]:
        """Return the findings beyond their limit."""
        return [finding for finding in self.findings if finding.alarm]


def monitor(reference: Table, window: Table) -> Monitoring:
    """Return what changed from the reference to the window.

    TableError U-TABLE-COLUMN (a column of the reference is not in the window, or no ``prediction``),
    U-TABLE-ROWS (too few rows), U-TABLE-CLASS (outcomes of one class only), U-TABLE-VALUE (a cell of another kind).
    """
    least = int(limits.load()["monitor.least"])
    for table in (reference, window):
        tables.require(table, ["prediction"])
        if table.rows < least:
            raise TableError("U-TABLE-ROWS", f"{table.name} has {table.rows} rows: {least} or more are needed.")
    tables.require(window, list(reference.columns))
    families: dict[Family, list[Finding]] = {name: list(_CHECKS[name](reference, window)) for name in FAMILIES}
    findings = [finding for found in families.values() for finding in found]
    return Monitoring(
        reference.rows,
        window.rows,
        sorted(findings, key=lambda one: (not one.alarm, FAMILIES.index(one.family), one.what)),
        [f"{family}: {_WANTS[family]}" for family, found in families.items() if not found],
        limits.load()["monitor.level"],
    )


_WANTS: Mapping[Family, str] = {
    "feature": "no column besides the named ones",
    "score": "no predictions",
    "calibration": "no outcomes in both tables",
    "slope": "no outcomes in both tables",
    "missing": "no column besides the named ones",
    "override": "no column overridden with values",
    "group gap": "no group column and outcomes with enough rows in both tables",
    "safety": "no column safety_event with values",
}


def _level(checks: int) -> float:
    return limits.load()["monitor.level"] / len(FAMILIES) / max(1, checks)


def _finding(family: Family, what: str, found: Statistic, row: int | None = None) -> Finding:
    alarm = found.alarm if row is None else row >= 0
    at = row + 1 if row is not None and row >= 0 else None
    return Finding(family, what, found.figure, found.limit, UNITS[family], alarm, at)


def _fields(table: Table) -> list[str]:
    return [name for name in table.columns if name not in (*_OWN, *GROUPS)]


def _features(reference: Table, window: Table) -> Iterator[Finding]:
    names = _fields(reference)
    how = {"least": limits.load()["monitor.psi"], "level": _level(len(names))}
    for name in names:
        if tables.is_number(reference, name) and tables.is_number(window, name):
            before, after = (_known(tables.numbers(table, name)) for table in (reference, window))
            enough = len(before) and len(after)
            found = drift.psi(before, after, **how) if enough else Statistic(0.0, how["least"])
        else:
            words = ([cell for cell in table.columns[name] if cell] for table in (reference, window))
            found = drift.psi_of_words(*words, **how)
        yield _finding("feature", name, found)


def _known(values: Array) -> Array:
    return values[~np.isnan(values)]


def _scores(reference: Table, window: Table) -> Iterator[Finding]:
    before, after = (tables.probabilities(table, "prediction") for table in (reference, window))
    how = {"least": limits.load()["monitor.ks"], "level": _level(1)}
    yield _finding("score", "prediction", drift.kolmogorov_smirnov(before, after, **how))


def _outcomes(table: Table) -> tuple[Array, Array, NDArray[np.bool_]] | None:
    """Return predictions and outcomes of the rows whose outcome is known, and which rows those are."""
    if "outcome" not in table.columns:
        return None
    outcome = tables.flags(table, "outcome")
    known = ~np.isnan(outcome)
    if not known.any():
        return None
    if len(np.unique(outcome[known])) < 2:
        raise TableError("U-TABLE-CLASS", f"{table.name}: every outcome is the same: calibration cannot be watched.")
    return tables.probabilities(table, "prediction")[known], outcome[known], known


def _expected(reference: Table, window: Table) -> tuple[Array, Array, Array, NDArray[np.bool_]] | None:
    """Return what to expect in the reference and the window, the window's outcomes, and which rows have one.

    What to expect is learned from the reference: outcomes are not seen of everybody, and of whom they are seen
    differs from site to site, so that a prediction may be right and the seen outcomes above or below it.
    """
    before, now = _outcomes(reference), _outcomes(window)
    if before is None or now is None:
        return None
    intercept, slope = recalibration(before[0], before[1])
    expected, expected_now = (1 / (1 + np.exp(-intercept - slope * log_odds(one[0]))) for one in (before, now))
    return expected, expected_now, now[1], now[2]


def _calibration(reference: Table, window: Table) -> Iterator[Finding]:
    if (one := _expected(reference, window)) is not None:
        before, expected, outcome, known = one
        found, row = drift.calibration(expected, outcome, reference=len(before), level=_level(1))
        yield _finding("calibration", "prediction", found, _row(row, known))


def _slope(reference: Table, window: Table) -> Iterator[Finding]:
    if (one := _expected(reference, window)) is not None:
        before, expected, outcome, known = one
        found, row = drift.calibration_slope(expected, outcome, before, level=_level(1))
        yield _finding("slope", "prediction", found, _row(row, known))


def _row(known: int, which: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(which)[known]) if known >= 0 else -1


def _missing(reference: Table, window: Table) -> Iterator[Finding]:
    names = _fields(reference)
    places = [("", *(np.ones(table.rows, bool) for table in (reference, window))), *_places(reference, window)]
    how = {"least": limits.load()["monitor.missing"], "level": _level(len(names) * len(places))}
    for place, before, after in places:
        for name in names:
            shares = (_absent(table, name)[rows] for table, rows in ((reference, before), (window, after)))
            yield _finding("missing", f"{name} at {place}" if place else name, drift.share_change(*shares, **how))


def _places(reference: Table, window: Table) -> list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    if "ehr" not in reference.columns:
        return []
    before, after = (np.array(table.columns["ehr"]) for table in (reference, window))
    both = [(str(name), before == name, after == name) for name in np.unique(before) if name]
    least = limits.load()["monitor.least"]
    return [place for place in both if place[1].sum() >= least and place[2].sum() >= least]


def _absent(table: Table, name: str) -> Array:
    return np.array([not cell for cell in table.columns[name]], np.float64)


def _overrides(reference: Table, window: Table) -> Iterator[Finding]:
    if "overridden" in reference.columns:
        before, after = (_known(tables.flags(table, "overridden")) for table in (reference, window))
        if len(before) and len(after):
            how = {"least": limits.load()["monitor.override"], "level": _level(1)}
            yield _finding("override", "suggestions", drift.share_change(before, after, **how))


def _gaps(reference: Table, window: Table) -> Iterator[Finding]:
    before, now = _outcomes(reference), _outcomes(window)
    if before is None or now is None:
        return
    pairs = [
        (f"{dimension} {name}", inside, inside_now)
        for dimension in GROUPS
        if dimension in reference.columns
        for name, inside, inside_now in _levels(reference, window, dimension, before[2], now[2])
    ]
    how = {"least": limits.load()["monitor.gap"], "level": _level(len(pairs))}
    residual, residual_now = before[1] - before[0], now[1] - now[0]
    for what, inside, inside_now in pairs:
        sides = (residual[inside], residual[~inside]), (residual_now[inside_now], residual_now[~inside_now])
        yield _finding("group gap", what, drift.gap_change(*sides, **how))


def _levels(
    reference: Table, window: Table, dimension: str, known: NDArray[np.bool_], known_now: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    before = np.array(reference.columns[dimension])[known]
    after = np.array(window.columns[dimension])[known_now]
    least = limits.load()["monitor.least"]
    for name in np.unique(before):
        inside, inside_now = before == name, after == name
        if min(inside.sum(), (~inside).sum(), inside_now.sum(), (~inside_now).sum()) >= least:
            yield str(name) or "not recorded", inside, inside_now


def _safety(reference: Table, window: Table) -> Iterator[Finding]:
    if "safety_event" in reference.columns:
        before, after = (_known(tables.flags(table, "safety_event")) for table in (reference, window))
        if len(before) and len(after):
            yield _finding("safety", "serious events", drift.excess_events(before, after, level=_level(1)))


_CHECKS: Mapping[Family, Callable[[Table, Table], Iterator[Finding]]] = {
    "feature": _features,
    "score": _scores,
    "calibration": _calibration,
    "slope": _slope,
    "missing": _missing,
    "override": _overrides,
    "group gap": _gaps,
    "safety": _safety,
}
