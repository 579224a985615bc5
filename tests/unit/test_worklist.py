"""The order of the worklist: who is asked for soonest, then what ends first, then by patient."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.drafts.canonical_json import dumps
from service.drafts.records import Draft
from service.web import worklist
from service.web.chart import Person
from tests.contract import samples

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
URGENCIES = ("now", "today", "routine")


def draft(patient: str, hours: float = 72, rank: int = 0, **context: Any) -> Draft:
    """Return a held draft that ends in so many hours."""
    return replace(
        samples.held_draft(),
        id=f"{patient}-{rank}",
        patient=patient,
        facts=patient,
        rank=rank,
        context=dumps({"option": "Start x", **context}),
        expires=NOW + timedelta(hours=hours),
    )


def told(urgency: str) -> list[dict[str, str]]:
    """Return a person to tell."""
    return [{"to": "psychiatrist", "urgency": urgency, "reason": f"Asked for {urgency}."}]


def people(*names: str) -> Mapping[str, Person]:
    """Return patients whom the EHR opens."""
    return {name: Person(name.title(), "born", "female", "1") for name in names}


def test_the_most_urgent_stands_first() -> None:
    """Urgency comes before time, time before the name; the reason is said with what is urgent."""
    held = [draft("zoe", 1), draft("ben", 50, to_tell=told("today")), draft("ada"), draft("cyd", to_tell=told("now"))]
    rows = worklist.rows(held, people("zoe", "ben", "ada", "cyd"), NOW)
    assert [(row.person.name, row.urgency, row.soon) for row in rows] == [
        ("Cyd", "Now", False),
        ("Ben", "Today", False),
        ("Zoe", "Routine", True),
        ("Ada", "Routine", False),
    ]
    assert [row.why for row in rows] == ["Asked for now.", "Asked for today.", "", ""]


def test_the_drafts_of_one_assessment_are_one_row_and_a_closed_chart_none() -> None:
    """Options stand together in rank order; a patient whom the EHR does not open is not listed."""
    rows = worklist.rows([draft("ada", rank=1), draft("ada"), draft("gone")], people("ada"), NOW)
    assert [(row.id, len(row.options)) for row in rows] == [("ada-0", 2)]


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(1, 99), st.sampled_from(URGENCIES)), unique_by=lambda t: t[0]
    )
)
def test_the_order_does_not_depend_on_how_the_store_answers(found: list[tuple[str, int, str]]) -> None:
    """Any order of the drafts gives the same rows, sorted by urgency and then by their end."""
    held = [draft(name, hours, to_tell=told(urgency)) for name, hours, urgency in found]
    shown = worklist.rows(held, people(*"abcdef"), NOW)
    assert shown == worklist.rows(held[::-1], people(*"abcdef"), NOW)
    by_name = {name: (URGENCIES.index(urgency), hours) for name, hours, urgency in found}
    keys = [by_name[row.person.name.lower()] for row in shown]
    assert keys == sorted(keys)
