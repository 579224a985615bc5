"""What a search is recorded as: of whom it told, whom it asked for in vain, and which of its words are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fhir.records import Head, Record, Subject
from service.fhir.search import Query
from service.fhir.searched import Searched, text, told

PATIENTS = ("Patient/a", "Patient/b", "Patient/c")


def records(*patients: str) -> list[Record]:
    """Return a record of each."""
    return [Record("Task", Head(id=one, subject=Subject(one)), 1, {}) for one in patients]


def query(values: dict[str, str], *, summary: bool = False) -> Query:
    """Return a search of Tasks."""
    return Query("Task", values, 100, 0, summary)


@given(
    fitted=st.sets(st.sampled_from(PATIENTS)),
    opened=st.sets(st.sampled_from(PATIENTS)),
    shown=st.sets(st.sampled_from(PATIENTS)),
    named=st.sampled_from([None, *PATIENTS]),
    points=st.booleans(),
)
def test_nobody_is_both_told_of_and_refused(
    fitted: set[str], opened: set[str], shown: set[str], named: str | None, points: bool
) -> None:
    """Whoever is on the page was told of; only whom the EHR does not open is refused, if the search asked for them."""
    given_ = fitted & opened
    found = Searched(records(*fitted), records(*given_), records(*(shown & given_)))
    answered, refused = told(found, named, points=points)
    assert not set(answered) & set(refused)
    assert shown & given_ <= set(answered) <= given_ | {named}
    assert set(refused) == (fitted - given_ if points else set())


@pytest.mark.parametrize(
    ("values", "alone", "kept"),
    [
        ({"patient": "Patient/a"}, True, "Task?patient=Patient/a&_count=100&_offset=0"),
        ({"patient": "Patient/a"}, False, "Task?patient=&_count=100&_offset=0"),
        ({"_id": "a,b", "status": "requested"}, False, "Task?_id=&status=requested&_count=100&_offset=0"),
        ({"status": "Jane Roe"}, True, "Task?_count=100&_offset=0"),
        ({"status": "x" * 600}, True, "Task?_count=100&_offset=0"),
        ({"identifier": "urn:x|1", "status": "a&b=c"}, True, "Task?identifier=urn:x|1&_count=100&_offset=0"),
    ],
)
def test_only_codes_and_ids_of_a_search_are_kept(values: dict[str, str], alone: bool, kept: str) -> None:
    """Ids only where all is of one patient; nothing that could be somebody's name, or another parameter."""
    assert text(query(values), alone=alone) == kept


def test_a_count_is_kept_as_one() -> None:
    """The text says that no record was sent."""
    assert text(query({"status": "requested"}, summary=True), alone=True) == "Task?status=requested&_summary=count"
