"""The change plan as data, and the gate runner that refuses what is not in it."""

import math
from dataclasses import replace

import pytest

from recommender.errors import KnowledgeError, ModelError
from recommender.ranker import model as models
from recommender.ranker.manifest import SiteUpdate
from recommender.training.site import folder, gates, plan

PLAN = plan.load()
PASSING = {
    "outcomes": 1000.0,
    "smaller_class": 200.0,
    "auc": 0.68,
    "platt_slope": 0.9,
    "log_loss_gain_low": 0.001,
    "log_loss_over_recalibration_low": 0.001,
    "ece_change": 0.0,
    "fairness_flags": 0.0,
    "groups_judged": 5.0,
    "group_harm_low": -0.01,
    "trimmed": 0.01,
    "effective": 200.0,
    "policy_gain": 0.01,
    "policy_gain_low": -0.01,
}


@pytest.mark.parametrize(
    ("kind", "parts", "outcomes"),
    [
        ("recalibrate", ("calibration",), ("remission",)),
        ("recalibrate", ("calibration",), ("remission", "response", "stopping")),
        ("fine-tune", ("trees", "calibration"), ("remission",)),
        ("evidence-update", ("evidence", "trees", "calibration"), ("sedation",)),
        ("new-drug", ("evidence",), ("insomnia",)),
    ],
)
def test_what_the_plan_has_may_be_done(kind, parts, outcomes):
    """A change within its row of the plan is given that row."""
    assert gates.permitted(PLAN, kind, parts=parts, outcomes=outcomes).id == kind


@pytest.mark.parametrize(
    ("kind", "parts", "outcomes", "named"),
    [
        ("retrain", ("trees",), ("remission",), "“retrain” is no change"),
        ("", (), (), "is no change"),
        ("recalibrate", ("trees",), ("remission",), "also changes trees"),
        ("recalibrate", ("calibration", "features"), ("remission",), "also changes features"),
        ("recalibrate", ("calibration",), ("sedation",), "not for sedation"),
        ("fine-tune", ("trees", "evidence"), ("remission",), "also changes evidence"),
        ("fine-tune", ("trees",), ("adverse-event-stopping",), "not for adverse-event-stopping"),
        ("fine-tune", ("schema",), ("remission",), "also changes schema"),
        ("new-drug", ("trees",), ("*",), "also changes trees"),
        ("evidence-update", ("features",), ("*",), "also changes features"),
        ("fine-tune", ("ranges",), ("remission",), "also changes ranges"),
    ],
)
def test_what_the_plan_does_not_have_is_refused(kind, parts, outcomes, named):
    """A change that is not in the plan, or goes beyond its row, is refused by code, and says what is beyond."""
    with pytest.raises(ModelError, match=named) as raised:
        gates.permitted(PLAN, kind, parts=parts, outcomes=outcomes)
    assert raised.value.code == "U-PLAN-CHANGE"


def _judged(kind, measures):
    change = PLAN.kind(kind)
    assert change is not None
    return gates.judged(PLAN, change, measures)


@pytest.mark.parametrize("kind", ["recalibrate", "fine-tune"])
@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("outcomes", 99.0),
        ("smaller_class", 29.0),
        ("auc", 0.76),
        ("platt_slope", 0.24),
        ("platt_slope", 2.01),
        ("log_loss_gain_low", 0.0),
        ("log_loss_gain_low", math.nan),
        ("ece_change", 0.011),
        ("fairness_flags", 1.0),
        ("groups_judged", 1.0),
        ("group_harm_low", 0.001),
        ("policy_gain", -0.001),
    ],
)
def test_every_limit_stops_both_changes(kind, measure, value):
    """One measure beyond its limit, or not a number, is enough to stop a change, and the answer says which."""
    assert gates.passed(_judged(kind, PASSING))
    found = _judged(kind, {**PASSING, measure: value})
    assert {one.gate.measure for one in found if not one.passed} == {measure}
    assert not gates.passed(found)


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("policy_gain", 0.0),
        ("policy_gain_low", -0.031),
        ("log_loss_over_recalibration_low", 0.0),
        ("trimmed", 0.21),
        ("effective", 49.0),
    ],
)
def test_fine_tuning_asks_for_more_than_recalibration(measure, value):
    """These measures stop fine-tuning, and leave recalibration as it is."""
    measures = {**PASSING, measure: value}
    answers = {kind: gates.passed(_judged(kind, measures)) for kind in ("recalibrate", "fine-tune")}
    assert answers == {"recalibrate": True, "fine-tune": False}


@pytest.mark.parametrize("kind", [one.id for one in PLAN.change])
def test_a_measure_that_could_not_be_had_fails(kind):
    """Without measures no gate of any change lets anything through."""
    assert not any(one.passed for one in _judged(kind, {}))
    assert not gates.passed(())


def test_every_row_is_used_and_has_its_three_parts():
    """Every gate belongs to a change, and every change says what it does for good, for ill, and against that."""
    assert {name for change in PLAN.change for name in change.gates} == {one.id for one in PLAN.gate}
    assert all(one.description and one.benefit and one.risk and one.mitigation for one in PLAN.change)
    assert PLAN.authorised == "none"


TEXT = (models.files("recommender") / "knowledge" / "change_plan.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('version = "2"', "version = 2"),
        ('authorised = "none"', ""),
        ("rounds = 300", "rounds = 300\nmercy = true"),
        ('id = "leak"', 'id = "leek"'),
        ('at_most = 0.75\nwhy = "the outcome is', 'why = "the outcome is'),
        ('id = "new-drug"', 'id = "fine-tune"'),
        ("[protocol]", "[protocol"),
    ],
)
def test_a_plan_that_is_not_whole_is_not_run(before, after):
    """A plan with a wrong type, a missing or unknown key, or a gate without row or limit is refused by code."""
    assert before in TEXT
    with pytest.raises(KnowledgeError) as raised:
        plan.parse(TEXT.replace(before, after, 1))
    assert raised.value.code == "U-PLAN-FILE"


def _claimed(**changes):
    """Return the shipped manifest, changed, with what an update of remission would say of itself."""
    shipped = models.load().manifest
    update = SiteUpdate("north", PLAN.version, shipped.digest, {"remission": "recalibrate"}, {}, 1000)
    moved = {**shipped.calibration, "remission": (0.1, 0.9)}
    return shipped, replace(shipped, **{"update": update, "calibration": moved, **changes})


def test_a_recalibrated_manifest_is_in_the_plan():
    """A manifest that differs in the calibration of the outcome that it names passes."""
    folder.check(PLAN, *_claimed())


@pytest.mark.parametrize(
    "changes",
    [
        {"update": None},
        {"ranges": {}},
        {"evidence": "other"},
        {"features": ("age",)},
        {"calibration": {"remission": (0.1, 0.9), "response": (0.1, 0.9)}},
        {"files": {}},
        {"seed": 7},
    ],
)
def test_a_manifest_that_differs_by_more_is_refused(changes):
    """Whatever else differs from the prior, named by the update or not, is no change of the plan."""
    with pytest.raises(ModelError) as raised:
        folder.check(PLAN, *_claimed(**changes))
    assert raised.value.code == "U-PLAN-CHANGE"
