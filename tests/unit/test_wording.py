"""What a report quotes of a server's words: what is wrong with an element, and nothing that names anybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.wording import MASKED, quoted


@pytest.mark.parametrize(
    "said",
    [
        "MedicationRequest.category: minimum required = 1, but only found 0",
        "The assertion's signature or claims do not hold.",
        "Only active orders are taken.",
        "invalid_client: no kid in the header",
        "Missing required element 'dosageInstruction[0].timing'",
        "ORA-00942: table or view does not exist",
        "java.lang.IllegalStateException at com.ehr.Orders(Orders.java:12)",
        "not-supported: system/Observation.rs is not granted, see http://hl7.org/fhir/R4/http.html",
    ],
)
def test_what_is_said_of_an_element_stays(said: str) -> None:
    """An error's own words, element, cardinality and code come through whole."""
    assert quoted(said) == said


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("Patient SAMPLE, PERSON (MRN 00123456) has this order", ("SAMPLE", "PERSON", "00123456")),
        ("Person Sample was born 1980-05-01", ("Person", "Sample", "1980-05-01")),
        ("write to person.sample@mail.example", ("person.sample@mail.example",)),
        ("<p>Record of <b>Sample</b></p>", ("Sample",)),
        ("born 01.05.1980 or 1/5/80", ("01.05.1980", "1/5/80")),
        ("call 5550142", ("5550142",)),
    ],
)
def test_nobody_is_named(said: str, hidden: tuple[str, ...]) -> None:
    """Names in any case, numbers of people, dates and addresses of mail are masked."""
    shown = quoted(said)
    assert [word for word in hidden if word in shown] == []
    assert MASKED in shown


@given(st.text(max_size=200))
def test_asked_again_it_says_the_same(said: str) -> None:
    """Quoting what was quoted changes nothing, so a recording is judged as the run was."""
    assert quoted(quoted(said)) == quoted(said)
