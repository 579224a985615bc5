"""The pictures of the review page: what they draw, what they say of it in words, and what they never draw."""

import re
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from recommender.assessment import Prediction
from service.web.pictures import courses, genes, intervals, scores, time_line
from service.web.pictures.courses import Course
from service.web.pictures.genes import Gene
from service.web.pictures.scores import Score, Scores

TODAY = date(2026, 11, 22)
CITALOPRAM = Course("citalopram", True, "taking", date(2026, 8, 30), None, 20.0, False)
BEFORE = Score(19.0, date(2026, 8, 30))
NOW = Score(17.0, date(2026, 11, 3))
PHQ9 = Scores("phq9", (BEFORE, NOW))
TIME = time_line.covering([BEFORE.day], TODAY)


def told(picture: Markup) -> str:
    """Return the text alternative of a drawing, which is well-formed and without scripts or inline style."""
    root = ElementTree.fromstring(picture)
    assert root.get("role") == "img"
    assert not re.search(r"<script|\sstyle=|\son[a-z]+=", picture)
    return root.get("aria-label", "")


def labels(picture: Markup) -> str:
    """Return the words inside a drawing."""
    return " ".join(ElementTree.fromstring(picture).itertext())


def test_the_scores_are_told_with_their_days_and_their_lines() -> None:
    """The alternative names each score with its day, remission, response with its baseline, and the treatment."""
    found = told(scores.picture([PHQ9], [CITALOPRAM], TIME))
    assert found == (
        "PHQ-9: 19 on 30 Aug 2026, 17 on 3 Nov 2026. PHQ-9 below 5 is remission. "
        "Response is 9.5 or less, half of 19 on 30 Aug 2026. "
        "Treatment: citalopram 20 mg a day, from 30 Aug 2026, taken now."
    )


@pytest.mark.parametrize(
    ("found", "taken", "begun"),
    [
        (PHQ9, [CITALOPRAM], BEFORE),
        (PHQ9, [], None),
        (PHQ9, [replace(CITALOPRAM, treats=False)], None),
        (PHQ9, [replace(CITALOPRAM, start=None)], None),
        (PHQ9, [replace(CITALOPRAM, start=date(2026, 5, 1))], None),
        (PHQ9, [replace(CITALOPRAM, taking="stopped")], None),
        (Scores("phq9", (NOW,)), [replace(CITALOPRAM, start=NOW.day)], None),
        (Scores("gad7", (BEFORE, NOW)), [CITALOPRAM], None),
    ],
)
def test_response_is_measured_from_the_start_of_the_present_treatment(
    found: Scores, taken: list[Course], begun: Score | None
) -> None:
    """Without a present treatment, its start, or a PHQ-9 near it, there is no baseline and no response line."""
    assert scores.baseline(found, taken) == begun
    assert ("response" in labels(scores.picture([found], taken, TIME))) == (begun is not None)


def test_no_score_is_no_picture() -> None:
    """Nothing dated is an empty picture, for scores, drugs and genes."""
    assert (
        scores.picture([Scores("phq9", ())], [CITALOPRAM], TIME) == courses.picture([], TIME) == genes.picture([]) == ""
    )


@pytest.mark.parametrize(
    ("course", "said"),
    [
        (CITALOPRAM, "citalopram 20 mg a day"),
        (replace(CITALOPRAM, dose_mg_per_day=None), "citalopram, dose not known"),
        (replace(CITALOPRAM, start=None), "citalopram 20 mg a day, start not known"),
        (replace(CITALOPRAM, start=None, dose_mg_per_day=None), "citalopram, dose and start not known"),
        (replace(CITALOPRAM, taking="stopped"), "ended (day not known)"),
        (replace(CITALOPRAM, stop=date(2026, 10, 1)), "ended 1 Oct 2026"),
        (replace(CITALOPRAM, as_needed=True), "citalopram up to 20 mg a day"),
    ],
)
def test_what_is_not_known_of_a_course_is_written_on_it(course: Course, said: str) -> None:
    """A missing dose, start or end is said on the bar, never drawn as a value."""
    assert said in labels(courses.picture([course], TIME))


def test_why_a_drug_was_stopped_is_said_or_said_to_be_missing() -> None:
    """A stopped drug shows the chart's reason, a long one whole in the text alone; none is said to be none."""
    ended = replace(CITALOPRAM, stop=date(2026, 10, 1))
    assert "no reason in the chart" in told(courses.picture([ended], TIME))
    long = "nausea, then a rash on both arms that went after a week"
    found = courses.picture([replace(ended, because=long)], TIME)
    assert long in told(found)
    assert "ended 1 Oct 2026: nausea, then a rash on both arm…" in labels(found)


def test_a_gene_without_a_result_is_not_a_normal_one() -> None:
    """Not tested, indeterminate and tested are three different rows, in words and in style."""
    found = genes.picture(
        [
            Gene("CYP2C19", "not-tested"),
            Gene("CYP2D6", "indeterminate", ("Indeterminate",), "*1/*99"),
            Gene("CYP2B6", "derived", ("Poor Metabolizer",), "*6/*6", date(2025, 1, 4)),
        ]
    )
    assert told(found) == (
        "Genes: CYP2C19 not tested (no result in the chart); CYP2D6 indeterminate (*1/*99, function not known); "
        "CYP2B6 poor metabolizer (*6/*6, from the diplotype, 4 Jan 2025)."
    )
    assert found.count("untested") == 1


def test_chart_text_in_a_gene_is_inert() -> None:
    """Markup in a result is text in the drawing and in its alternative."""
    found = genes.picture([Gene("CYP2D6", "unconfirmed", ("<script>x</script>",), '"><b>')])
    assert "<script" not in found
    assert told(found).startswith("Genes: CYP2D6 <script>x</script>")


def test_no_estimate_is_no_bar() -> None:
    """What is not known has no bar, so that it cannot be read as zero; zero has one."""
    assert intervals.bar(None, 50) == ""
    assert "mark" in intervals.bar(Prediction(0.0, 0.0, 0.02), 50)


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3).map(sorted), min_size=1, max_size=6))
def test_every_interval_lies_within_its_bar(found: list[list[float]]) -> None:
    """On the page's common scale no band or mark is cut off, whatever the predictions."""
    predictions = [Prediction(low=low, p=p, high=high) for low, p, high in found]
    most = intervals.scale(predictions)
    assert most <= 100
    for one in predictions:
        assert one.high * 100 <= most + 1e-6
        root = ElementTree.fromstring(intervals.bar(one, most))
        width = float(root.get("viewBox", "").split()[2])
        (band,) = root.iter("rect")
        assert float(band.get("x", 0)) + float(band.get("width", 0)) <= width + 1.1


@given(st.lists(st.dates(date(2000, 1, 1), date(2030, 1, 1)), max_size=8))
def test_days_stand_in_their_order_within_the_drawing(days: list[date]) -> None:
    """A later day never stands left of an earlier one, and none outside the margins."""
    time = time_line.covering(days, TODAY)
    places = [time.at(one) for one in sorted(days)]
    assert places == sorted(places)
    assert all(time_line.LEFT <= place <= time_line.WIDTH - time_line.RIGHT for place in places)
    assert len(time_line.months(time)) <= 6
