"""A site's update: what it may learn from, what the gates let through, what is written, and the way back."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.cohort.evidence import MODEL_FEATURES, OUTCOMES, PATIENT_FEATURES
from recommender.cohort.simulator import Setting
from recommender.errors import ModelError
from recommender.ranker import manifest as manifests
from recommender.ranker import model as models
from recommender.training.site import plan, record, samples, story
from recommender.training.site.checks import check
from recommender.training.site.fine_tune import log_loss, rebased
from recommender.training.site.recalibrate import after, moved, platt
from recommender.training.site.rows import SiteRows, part
from recommender.training.site.story import Story
from tests.fixtures.sites import SimulatedSite, site

DAY = date(2026, 11, 22)
PLAN = plan.load()
REMISSION = OUTCOMES.index("remission")
SHIFTED = Setting(truth="shifted", sites=1)
SEEN = Setting(truth="shifted", sites=1, observed=True)


class Updated(NamedTuple):
    """A site whose truth differs, its update, and the store that it was written to."""

    site: SimulatedSite
    told: Story
    store: Path
    lines: list[str]


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Updated:
    """Return the update of a large site."""
    lines: list[str] = []
    simulated, store = site(models.load().evidence, 20_000, 1, SHIFTED), tmp_path_factory.mktemp("north")
    told = story.from_rows(simulated.rows, store, site="north", day=DAY, report=lines.append)
    return Updated(simulated, told, store, lines)


@pytest.fixture(scope="module")
def small() -> SiteRows:
    """Return the rows of a site just large enough for its fairness to be judged."""
    return site(models.load().evidence, 3_500, 5, SEEN).rows


def test_a_site_whose_truth_differs_is_fine_tuned_and_loads(north: Updated) -> None:
    """With enough records every gate lets fine-tuning through; the folder loads and says what was done and by what."""
    assert {one.outcome: one.change for one in north.told.outcomes}["remission"] == "fine-tune"
    assert north.told.folder is not None
    update = models.load(north.told.folder).manifest.update
    assert update is not None
    assert update.changes["remission"] == "fine-tune"
    assert (update.site, update.plan, update.rows) == ("north", PLAN.version, 20_000)
    assert update.parent == models.load().manifest.digest
    assert len(update.gates["remission fine-tune"]) == len(PLAN.gates_of(PLAN.change[1]))


def test_an_update_predicts_better_than_the_prior(north: Updated) -> None:
    """On patients of the site that it never saw, its log loss is lower and its choice worth more."""
    assert north.told.folder is not None
    prior, new = models.load(), models.load(north.told.folder)
    held = samples.split(north.site.rows, "north", PLAN.protocol).held
    cohort, rows = north.site.cohort, part(north.site.rows, held)
    losses, values = list[float](), list[float]()
    for model in (prior, new):
        scores = models.scores(model, rows.every())[:, REMISSION].reshape(rows.terms.shape[:2])
        own = scores[np.arange(len(rows)), rows.given]
        losses.append(float(log_loss(np.log(own / (1 - own)), cohort.outcome[held, REMISSION]).mean()))
        values.append(float(cohort.probability[held, scores.argmax(axis=1), REMISSION].mean()))
    assert losses[1] < losses[0]
    assert values[1] > values[0]


def test_the_priors_trees_all_stay(north: Updated) -> None:
    """A fine-tuned model begins with the prior's trees, moved and stretched alike."""
    assert north.told.folder is not None
    prior, new = (one.boosters["remission"] for one in (models.load(), models.load(north.told.folder)))
    columns = north.site.rows.columns()[:500]
    first = np.asarray(new.predict(columns, raw_score=True, num_iteration=prior.num_trees()))
    slope, intercept = np.polyfit(models.raw_scores(prior, columns), first, 1)
    assert np.abs(first - intercept - slope * models.raw_scores(prior, columns)).max() < 1e-9
    assert new.num_trees() > prior.num_trees()


def test_equal_rows_give_equal_models(small: SiteRows, tmp_path: Path) -> None:
    """Two updates by the same rows write the same bytes."""
    assert _written(small, tmp_path / "first") == _written(small, tmp_path / "second")


def _written(rows: SiteRows, store: Path) -> dict[str, bytes]:
    told = story.from_rows(rows, store, site="s", day=DAY, report=lambda _: None)
    assert told.folder is not None
    return {path.name: path.read_bytes() for path in sorted(told.folder.iterdir())}


def test_a_small_site_is_recalibrated_only(small: SiteRows, tmp_path: Path) -> None:
    """With few records the trees stay byte for byte, and only the two numbers of calibration move."""
    told = story.from_rows(small, tmp_path, site="s", day=DAY, report=lambda _: None)
    assert told.folder is not None
    assert {one.change for one in told.outcomes} == {"recalibrate", "keep"}
    shipped, new = models.load().manifest, models.load(told.folder).manifest
    assert new.files == shipped.files
    changed = {name for name, pair in new.calibration.items() if pair != shipped.calibration[name]}
    assert changed == set(told.entry.changes)


def test_where_fairness_cannot_be_judged_nothing_changes(tmp_path: Path) -> None:
    """A site with no group large enough to audit keeps its model; output and record say that fairness is not judged."""
    rows, lines = site(models.load().evidence, 1_500, 3, SHIFTED).rows, list[str]()
    told = story.from_rows(rows, tmp_path, site="s", day=DAY, report=lines.append)
    assert (told.folder, told.entry.event) == (None, "refused")
    remission = told.outcomes[0].attempts["recalibrate"]
    assert [one.gate.id for one in remission.verdicts if not one.passed] == ["groups-judged"]
    assert "fairness not judged" in lines[0]
    assert any("fairness not judged" in one for one in record.read(tmp_path)[0].gates["remission recalibrate"])


def test_a_site_that_serves_a_group_worse_is_refused(tmp_path: Path) -> None:
    """Where outcomes of one group are recorded seven points too low, the audit's gate refuses, by name."""
    setting = Setting(truth="prior", sites=1, injected_bias=0.07, observed=True)
    rows, lines = site(models.load().evidence, 20_000, 2, setting).rows, list[str]()
    told = story.from_rows(rows, tmp_path, site="s", day=DAY, report=lines.append)
    remission = told.outcomes[0]
    assert remission.change == "keep"
    for attempt in remission.attempts.values():
        assert "fairness" in [one.gate.id for one in attempt.verdicts if not one.passed]
    assert "a group would be served worse than all others" in lines[0]


def test_drugs_given_by_severity_alone_do_not_pass_for_effects(north: Updated, tmp_path: Path) -> None:
    """Where a drug's name says only how ill a patient was, fine-tuning is refused: it is not surely better."""
    rows, rng = north.site.rows, np.random.default_rng(0)
    severity = np.nan_to_num(rows.features[:, PATIENT_FEATURES.index("phq9_total")], nan=15)
    by_rank = np.argsort(np.argsort(severity + rng.random(len(rows)))) * 6 // len(rows)
    any_drug = rng.integers(0, rows.terms.shape[1], len(rows))
    confounded = replace(rows, given=np.where(rng.random(len(rows)) < 0.7, by_rank, any_drug).astype(np.intp))
    remission = story.from_rows(confounded, tmp_path, site="s", day=DAY, report=lambda _: None).outcomes[0]
    assert remission.change != "fine-tune"
    missed = [one.gate.id for one in remission.attempts["fine-tune"].verdicts if not one.passed]
    assert "log-loss-over-recalibration" in missed


def _once(rows: SiteRows) -> SiteRows:
    return replace(rows, outcome=np.where(np.isnan(rows.outcome), np.nan, 0.0))


def _few(rows: SiteRows) -> SiteRows:
    return part(rows, np.arange(len(rows)) < 200)


def _leaking(rows: SiteRows) -> SiteRows:
    features = rows.features.copy()
    later = np.nan_to_num(rows.outcome[:, REMISSION], nan=0.5)
    features[:, PATIENT_FEATURES.index("gad7_total")] = 10 - 8 * later + np.arange(len(rows)) % 5
    return replace(rows, features=features)


def _told_by_absence(rows: SiteRows) -> SiteRows:
    features = rows.features.copy()
    features[rows.outcome[:, REMISSION] == 1, PATIENT_FEATURES.index("bmi")] = np.nan
    features[rows.outcome[:, REMISSION] == 0, PATIENT_FEATURES.index("bmi")] = 25.0
    return replace(rows, features=features)


def _twice_named(rows: SiteRows) -> SiteRows:
    return replace(rows, patients=(rows.patients[1], *rows.patients[1:]))


def _twice_there(rows: SiteRows) -> SiteRows:
    return replace(rows, fingerprints=(rows.fingerprints[1], *rows.fingerprints[1:]))


def _other_schema(rows: SiteRows) -> SiteRows:
    return replace(rows, schema="1+000000000000")


def _other_evidence(rows: SiteRows) -> SiteRows:
    return replace(rows, evidence="0" * 64)


@pytest.mark.parametrize(
    ("spoil", "code", "named"),
    [
        (_few, "U-SITE-FEW", "patients have a PHQ-9"),
        (_once, "U-SITE-CLASS", "with remission"),
        (_leaking, "U-SITE-LEAK", "gad7_total"),
        (_told_by_absence, "U-SITE-LEAK", "bmi"),
        (_twice_named, "U-SITE-DUPLICATE", "1 patients"),
        (_twice_there, "U-SITE-DUPLICATE", "1 patients"),
        (_other_schema, "U-SITE-SCHEMA", "read the export again"),
        (_other_evidence, "U-SITE-SCHEMA", "read the export again"),
    ],
)
def test_rows_that_nothing_may_be_learned_from(
    spoil: Callable[[SiteRows], SiteRows], code: str, named: str, small: SiteRows, tmp_path: Path
) -> None:
    """Each fault is refused by its code before any fitting, names what is wrong, and leaves no trace in the store."""
    check(small, models.load(), PLAN.protocol)
    with pytest.raises(ModelError, match=named) as raised:
        story.from_rows(spoil(small), tmp_path / "store", site="s", day=DAY, report=lambda _: None)
    assert raised.value.code == code
    assert not (tmp_path / "store").exists()


def test_refusals_updates_and_roll_backs_are_all_on_record(small: SiteRows, tmp_path: Path) -> None:
    """Each decision is one line; roll-back goes one update back each time, to the shipped model and no further."""
    shipped = models.load().manifest.digest
    first = story.from_rows(small, tmp_path, site="s", day=DAY, report=lambda _: None)
    again = story.from_rows(small, tmp_path, site="s", day=DAY, report=lambda _: None)
    other = site(models.load().evidence, 4_500, 3, SEEN).rows
    second = story.from_rows(other, tmp_path, site="s", day=DAY, report=lambda _: None)
    assert [one.event for one in record.read(tmp_path)] == ["updated", "refused", "updated"]
    assert again.entry.model == first.entry.model
    assert record.in_force(tmp_path)[0].manifest.digest == second.entry.model
    assert record.roll_back(tmp_path, DAY).model == first.entry.model
    assert record.in_force(tmp_path)[0].manifest.digest == first.entry.model
    assert record.roll_back(tmp_path, DAY).model == shipped
    assert record.in_force(tmp_path)[0].manifest.digest == shipped
    with pytest.raises(ModelError) as raised:
        record.roll_back(tmp_path, DAY)
    assert raised.value.code == "U-RECORD-EMPTY"
    assert [one.event for one in record.read(tmp_path)][3:] == ["rolled-back", "rolled-back"]


def test_what_an_update_keeps_is_what_is_in_force(small: SiteRows, tmp_path: Path) -> None:
    """A second update that changes nothing of an outcome leaves it as the first one made it."""
    first = story.from_rows(small, tmp_path, site="s", day=DAY, report=lambda _: None)
    other = site(models.load().evidence, 4_500, 3, SEEN).rows
    second = story.from_rows(other, tmp_path, site="s", day=DAY, report=lambda _: None)
    assert first.folder is not None
    assert second.folder is not None
    kept = [one.outcome for one in second.outcomes if one.change == "keep"]
    manifests_ = [models.load(folder).manifest for folder in (first.folder, second.folder)]
    for outcome in kept:
        assert manifests_[1].calibration[outcome] == manifests_[0].calibration[outcome]
        assert manifests_[1].files[outcome].sha256 == manifests_[0].files[outcome].sha256


@pytest.fixture(scope="module")
def twice(small: SiteRows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with two updates, not to be changed."""
    made = tmp_path_factory.mktemp("twice")
    for rows in (small, site(models.load().evidence, 4_500, 3, SEEN).rows):
        story.from_rows(rows, made, site="s", day=DAY, report=lambda _: None)
    return made


@pytest.fixture
def store(twice: Path, tmp_path: Path) -> Path:
    """Return a store with two updates."""
    return Path(shutil.copytree(twice, tmp_path / "store"))


def _edited(store: Path) -> None:
    path = store / record.FILE
    path.write_bytes(path.read_bytes().replace(b'"rows":3500', b'"rows":9500'))


def _shortened(store: Path) -> None:
    path = store / record.FILE
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[1:]) + b"\n")


def _garbled(store: Path) -> None:
    with (store / record.FILE).open("ab") as file:
        file.write(b"{}\n")


def _changed_trees(store: Path) -> None:
    path = store / record.read(store)[0].folder / "remission.txt"
    path.write_bytes(path.read_bytes().replace(b"leaf_value=", b"leaf_value= ", 1))


def _gone(store: Path) -> None:
    (store / record.read(store)[0].folder / manifests.FILE).unlink()


def _another(store: Path) -> None:
    folder = store / record.read(store)[0].folder
    manifest = manifests.sealed(replace(manifests.decode((folder / manifests.FILE).read_bytes()), created="2026-01-01"))
    (folder / manifests.FILE).write_bytes(manifests.encode(manifest))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_edited, "U-RECORD-CHAIN"),
        (_shortened, "U-RECORD-CHAIN"),
        (_garbled, "U-RECORD-CHAIN"),
        (_changed_trees, "U-MODEL-HASH"),
        (_gone, "U-MODEL-MISSING"),
        (_another, "U-RECORD-MODEL"),
    ],
)
def test_a_store_that_was_changed_is_not_gone_back_to(spoil: Callable[[Path], None], code: str, store: Path) -> None:
    """A changed record, or a model that is not the one on record, stops the roll-back by its code."""
    spoil(store)
    before = (store / record.FILE).read_bytes()
    with pytest.raises(ModelError) as raised:
        record.roll_back(store, DAY)
    assert raised.value.code == code
    assert (store / record.FILE).read_bytes() == before


def test_the_record_holds_no_patient(store: Path) -> None:
    """Neither the record nor a manifest names a patient or holds a row's value; counts and figures are all."""
    for path in [store / record.FILE, *store.glob("*/manifest.json")]:
        assert "Patient/" not in path.read_text("utf-8")
    keys = {key for line in (store / record.FILE).read_text("utf-8").splitlines() for key in json.loads(line)}
    assert keys == set(record.Entry.__slots__)


_PAIRS = st.tuples(st.floats(-3, 3), st.floats(0.2, 3))


@settings(deadline=None)
@given(_PAIRS, _PAIRS, st.lists(st.floats(-6, 6), min_size=1))
def test_two_recalibrations_are_one(first: tuple[float, float], then: tuple[float, float], values: list[float]) -> None:
    """Moving log-odds twice is moving them once by the composed pair."""
    log_odds = np.array(values)
    assert np.allclose(moved(moved(log_odds, first), then), moved(log_odds, after(first, then)))


@settings(max_examples=8, deadline=None)
@given(_PAIRS)
def test_leaves_take_the_two_numbers_in(pair: tuple[float, float]) -> None:
    """A rebased booster's log-odds are the booster's, moved and stretched."""
    booster = models.load().boosters["remission"]
    columns = np.random.default_rng(0).random((40, len(MODEL_FEATURES))) * 20
    expected = moved(models.raw_scores(booster, columns), pair)
    assert np.allclose(models.raw_scores(rebased(booster, pair), columns), expected, atol=1e-9)


@pytest.mark.parametrize("patients", [20, 200, 20_000])
def test_few_outcomes_move_little(patients: int) -> None:
    """Platt's numbers lie between no change and what the site's outcomes say, nearer to these the more there are."""
    rng = np.random.default_rng(patients)
    log_odds = rng.normal(-1, 0.5, patients)
    outcome = (rng.random(patients) < 1 / (1 + np.exp(-(log_odds + 1)))).astype(float)
    intercept, _ = platt(log_odds, outcome, np.ones(patients), PLAN.protocol)
    free, _ = platt(
        log_odds,
        outcome,
        np.ones(patients),
        _loosened(),
    )
    assert abs(intercept) <= abs(free) + 0.05
    assert patients < 1_000 or abs(intercept - 1) < 0.2


def _loosened() -> plan.Protocol:
    return msgspec.structs.replace(PLAN.protocol, platt_sd_intercept=100.0, platt_sd_slope=100.0)
