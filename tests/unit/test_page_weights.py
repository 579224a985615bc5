"""The patient's weights on the page: the order follows them, and what is not known never counts as good."""

from typing import Any

import pytest

from service.errors import BadRequest
from service.web.weights import SHARES, weigh


def context(**chances: float) -> dict[str, Any]:
    """Return a draft's context with these chances; underscores stand for hyphens."""
    found = {name.replace("_", "-"): {"p": p, "low": p / 2, "high": p * 1.5} for name, p in chances.items()}
    return {"predictions": found}


ONE = context(remission=0.30, stopping=0.25, adverse_event_stopping=0.10, sedation=0.30)
TWO = context(remission=0.27, stopping=0.25, adverse_event_stopping=0.10, sedation=0.05)
BOTH = {"mirtazapine": ONE, "bupropion": TWO}


def test_the_usual_weights_stand_without_any() -> None:
    """Without a query the order is that of the default weights."""
    found = weigh(BOTH, {})
    assert found is not None
    assert (found.order, found.usual, found.asked) == ("mirtazapine, then bupropion",) * 2 + (False,)
    assert {one.field: one.chosen for one in found.choices}["weight-stopping"] == "0.5"


def test_a_patients_weight_changes_the_order_and_it_is_said() -> None:
    """Sedation that matters as much as remission puts the less sedating drug first."""
    found = weigh(BOTH, {"weight-sedation": "1"})
    assert found is not None
    assert (found.order, found.usual) == ("bupropion, then mirtazapine", "mirtazapine, then bupropion")


def test_a_weight_that_changes_nothing_leaves_the_order() -> None:
    """What is equal for both leaves the order as it was."""
    found = weigh(BOTH, {"weight-stopping": "1"})
    assert found is not None
    assert found.asked
    assert found.order == found.usual


def test_a_tie_is_told_as_a_tie_and_in_no_order_of_its_own() -> None:
    """Drugs of one band stand by name, whoever is a hair ahead; a drug behind them stands after the tie."""
    ahead, level, behind = (context(remission=chance, stopping=0.2) for chance in (0.305, 0.30, 0.1))
    found = weigh({"venlafaxine": ahead, "escitalopram": level, "sertraline": behind}, {})
    assert found is not None
    assert found.order == "escitalopram and venlafaxine, tied, then sertraline"


def test_what_is_not_known_counts_as_the_worst_and_is_named() -> None:
    """A drug without a figure for a weighed effect is not first for that."""
    unknown = context(remission=0.27, stopping=0.25, adverse_event_stopping=0.10)
    found = weigh({"mirtazapine": ONE, "bupropion": unknown}, {"weight-sedation": "2"})
    assert found is not None
    assert found.order.startswith("mirtazapine, then")
    assert found.missing == ["sedation on bupropion"]


@pytest.mark.parametrize("contexts", [{}, {"mirtazapine": ONE}, {"mirtazapine": ONE, "lithium": {"predictions": {}}}])
def test_nothing_is_weighed_without_two_options_that_have_figures(contexts: dict[str, Any]) -> None:
    """One option, or one that no model ranked, has nothing to be weighed against."""
    assert weigh(contexts, {}) is None


@pytest.mark.parametrize("given", ["", "3", "nan", "-1", "<b>"])
def test_a_share_that_the_form_does_not_have_is_refused(given: str) -> None:
    """A weight from an address that somebody wrote by hand is U-REQUEST, not an order nobody can explain."""
    assert given not in SHARES
    with pytest.raises(BadRequest):
        weigh(BOTH, {"weight-sedation": given})
