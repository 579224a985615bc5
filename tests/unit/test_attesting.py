"""When a person is asked to look into a patient, and how a recorded word reads to the recommender."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from fhir_adapters.dialect import profile as profiles
from recommender.assessment import Attestation, Escalation, GateStatus
from recommender.catalog import knowledge
from recommender.catalog.rows import GateRow
from service.drafts.decision import attesting
from service.drafts.flags import Attested
from tests.fixtures import assessments as made

K = knowledge.load()
BASE = profiles.load("base-r4")
SETTLED = [row for row in K.gates if "GA05" in row.assessed_by]


@pytest.mark.parametrize("row", SETTLED, ids=lambda row: row.id)
def test_what_an_attestation_settles_leads_to_the_page(row: GateRow) -> None:
    """Each row that an attestation settles asks for one where it closes drafting."""
    told = Escalation("prescriber", "today", "Ask.", row.id)
    closed = made.assessment("insufficient-data", "Ask.")
    assert attesting.is_asked(replace(closed, escalations=(told,)), K)
    assert not attesting.is_asked(replace(made.assessment(), escalations=(told,)), K)


@pytest.mark.parametrize(
    ("status", "rule", "asked"),
    [
        ("crisis", "anything", True),
        ("out-of-scope", "GF03", True),
        ("out-of-scope", "GF02", False),
        ("out-of-scope", "GO16", False),
        ("insufficient-data", "GI02", False),
        ("consent-withheld", "GE02", False),
    ],
)
def test_nobody_is_asked_for_what_no_assessment_settles(status: GateStatus, rule: str, asked: bool) -> None:
    """A missing score, lithium in the blood or intent within three months is no matter of an attestation."""
    told = Escalation("prescriber", "today", "Ask.", rule)
    assert attesting.is_asked(replace(made.assessment(status, "Ask."), escalations=(told,)), K) is asked


def test_a_recorded_word_reads_as_the_recommender_takes_it() -> None:
    """Who, the day by the site's calendar, and the instant in UTC to the second."""
    word = Attested(
        id="a",
        flag="f",
        seq=1,
        practitioner="Practitioner/p1",
        display="Dr Example",
        role="PractitionerRole/r1",
        assessed=datetime(2026, 11, 22, 3, 30, tzinfo=UTC),
        result="may-open",
        review_by="Dr Example",
        review_on=date(2026, 11, 29),
        recorded=datetime(2026, 11, 22, 4, 0, tzinfo=UTC),
    )
    assert attesting.known(word, replace(BASE, zone="-05:00")) == Attestation(
        by="Dr Example",
        day=date(2026, 11, 21),
        result="may-open",
        review_by="Dr Example",
        review_on=date(2026, 11, 29),
        moment="2026-11-22T03:30:00+00:00",
    )
    assert replace(word, display=None).by == "Practitioner/p1"


def test_the_limits_are_the_knowledges() -> None:
    """An attestation counts as long as its gate row says, and the review is as soon as the policy says."""
    assert attesting.limits(K) == attesting.Limits(90, 7)
