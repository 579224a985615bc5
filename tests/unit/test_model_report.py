"""The report: one page that loads nothing, says every target, and draws within its drawings."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalog import knowledge
from recommender.model_card.card import card
from recommender.ranker import model as models
from recommender.training import fairness
from recommender.training.evaluation import Point, assembled, targets
from service.model_report import axes, plots, report
from service.model_report.plots import Line

SERIES = {
    "reliability": [Point(0.1, 0.12, 0.1, 0.14), Point(0.4, 0.38, 0.3, 0.45)],
    "reliability_new": [Point(0.1, 0.08, 0.05, 0.1)],
    "auc_by_outcome": [Point("remission", 0.66, 0.64, 0.68), Point("remission oracle", 0.72)],
    "ece_by_mask": [Point("history", 0.015, 0.012, 0.02), Point("severity (abstains)", 0.02)],
    "coverage_by_group": [Point("female 18-39", 0.9, 0.88, 0.92), Point("not known not known", 0.88)],
    **{
        f"value {name}": [Point(0.0, 0.24), Point(0.17, 0.25), Point(0.35, 0.26)]
        for name in ("clinicians", "best_single", "policy", "oracle")
    },
}
VALUES = {target.key: (0.02, 0.03) for target in targets()} | {"auc": (0.66, 0.65), "regret": (0.05, 0.06)}


def _audit():
    figures = {name: fairness.Figure(0.01, 0.005) for name in fairness.MEASURES}
    group = fairness.GroupFigures("race", "black", 6_000, 1_200, figures)
    small = fairness.GroupFigures("race", "<b>few</b>", 12, 3, {})
    gaps = [
        fairness.Gap("race", "black", m, 0.01, -0.01, 0.03, 0.02, 0.03, 0.2, m == "regret") for m in fairness.MEASURES
    ]
    return fairness.Audit([group], gaps, [small], 0.05)


def _page(model="depression-1+abc"):
    about = {"model": model, "evidence": "e" * 64, "created": "2026-11-22", "seeds": (101, 102), "patients": 12_000}
    return report.page(assembled(about, VALUES, _audit(), SERIES))


PAGE = _page()


def _svgs(page):
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_the_page_loads_nothing():
    """The report has no script, no frame, no link and no address of anything outside itself."""
    assert not re.search(r"<script|<iframe|<link|<img|<object|@import|url\(|https?://", PAGE)


def test_every_target_stands_on_the_page_with_its_limits():
    """Each label is there, and those that are not met say why."""
    text = re.sub(r"\s+", " ", PAGE).replace("&#39;", "'")
    assert [target.label for target in targets() if target.label not in text] == []
    assert "not met" in text
    assert "look for a fault" in text


def test_what_the_figures_are_not_is_said_first():
    """Before any figure the page says that these are simulated people and that no patient was ever looked at."""
    assert PAGE.index("External validation on patients: none.") < PAGE.index("points of remission")


def test_words_of_a_table_are_escaped():
    """A group or model name that looks like markup is shown as text."""
    assert "&lt;b&gt;few&lt;/b&gt;" in PAGE
    assert "<i>x</i>" not in _page("<i>x</i>")


def test_a_failed_leakage_check_is_told():
    """A run that leaks says so on the page; one that does not, does not."""
    about = {"model": "m", "evidence": "e", "created": "2026-11-22", "seeds": (1, 2), "patients": 1}
    leaking = report.page(assembled(about, VALUES | {"auc": (0.8, 0.8)}, _audit(), SERIES))
    assert "Leakage check failed" in leaking
    assert "Leakage check failed" not in PAGE


def test_every_plot_says_what_it_shows():
    """Each drawing has a name for whoever hears the page, a label of its axis, and a caption."""
    drawings = [one for one in _svgs(PAGE) if one.get("role") == "img"]
    assert len(drawings) == 9
    assert all(one.get("aria-label") for one in drawings)
    assert all(any(part.get("class") == "label" and part.text for part in one) for one in drawings)
    assert PAGE.count("<figcaption>") == 9


def test_nothing_is_drawn_outside_its_drawing():
    """Every coordinate of every plot lies within its view box, and none is not a number."""
    for one in _svgs(PAGE):
        _, _, width, height = map(float, (one.get("viewBox") or "").split())
        for part in one.iter():
            places = [
                (part.get(name), width if "x" in name else height) for name in ("x1", "x2", "y1", "y2", "cx", "cy")
            ]
            for place, most in places:
                assert place is None or 0 <= float(place) <= most
            for pair in (part.get("points") or "").split():
                x, y = map(float, pair.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_targets_are_drawn():
    """A plot with a target has its dashed line."""
    drawings = [one for one in _svgs(PAGE) if one.get("role") == "img"]
    with_target = [any(part.get("class") == "target" for part in one) for one in drawings]
    assert sum(with_target) == 8  # all but the values of a choice, which have none


finite = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))


@given(st.lists(finite, min_size=1, max_size=8))
def test_a_scale_covers_its_values_with_a_few_round_ticks(values):
    """Every value lies on its axis, and the axis has two to eight ticks, each of them on it."""
    scale = axes.covering(values, 40, 340)
    marks = axes.ticks(scale)
    slack = 1e-6 * max(1.0, abs(scale.low), abs(scale.high))
    assert scale.low - slack <= min(values) <= max(values) <= scale.high + slack
    assert 2 <= len(marks) <= 8
    assert all(40 - 1e-6 <= scale.at(mark) <= 340 + 1e-6 for mark in marks)


def test_no_axis_goes_beyond_what_a_figure_can_be():
    """An interval above 100 % ends at the axis' end."""
    drawn = plots.rows([Point("x", 0.99, 0.95, 1.04)], "share", "told", most=1)
    assert "105 %" not in drawn
    assert "100 %" in drawn


@pytest.mark.parametrize("points", [[], [Point(0.1, 0.2)], [Point(0.1, 0.2), Point(0.1, 0.2)]])
def test_a_plot_of_little_is_still_a_plot(points):
    """No point, one point, or one place twice draws axes and does not fail."""
    assert "</svg>" in plots.lines([Line("a", points, "a")], "across", "up", "told")


def test_the_card_page_shows_every_attribute_and_its_blanks():
    """All 44 attributes stand on the card's page, blanks in words."""
    page = report.card_page(card(models.load().manifest, knowledge.load(), None))
    assert page.count("<dt>") == 44 + 3
    assert "External validation on patients: none." in page
    assert not re.search(r"<script|https?://", page)
