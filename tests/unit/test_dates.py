"""FHIR dates keep their precision; ages are whole years."""

from datetime import date

import pytest

from fhir_adapters import dates

READ = {
    "2024": (date(2024, 1, 1), date(2024, 12, 31)),
    "2024-02": (date(2024, 2, 1), date(2024, 2, 29)),
    "2024-02-29": (date(2024, 2, 29), date(2024, 2, 29)),
    "2024-02-29T23:59:59Z": (date(2024, 2, 29), date(2024, 2, 29)),
    "2024-02-29T23:59:59.123-11:00": (date(2024, 2, 29), date(2024, 2, 29)),
    "2024-02-29T08:30": (date(2024, 2, 29), date(2024, 2, 29)),
    "0001": (date(1, 1, 1), date(1, 12, 31)),
}
UNREAD = ("", "24", "2024-2-9", "2023-02-29", "2024-13", "02/29/2024", "2024-02-29 08:30", "2024-02-29T8:30Z",
          "0000", "2024-02T08:00", " 2024", "2024-02-29Z", "yesterday", "２０２４")  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_read(text: str) -> None:
    """A date means every day between its first and its last."""
    found = dates.parse(text)
    assert found is not None
    assert (found.first, found.last) == READ[text]
    assert found.exact == (found.first == found.last)


@pytest.mark.parametrize("text", UNREAD)
def test_unread(text: str) -> None:
    """What is no FHIR date is None, never a guess."""
    assert dates.parse(text) is None
    assert dates.parse(None) is None


@pytest.mark.parametrize(
    ("birth", "on", "age"),
    [
        (date(1980, 5, 17), date(2026, 5, 16), 45),
        (date(1980, 5, 17), date(2026, 5, 17), 46),
        (date(2000, 2, 29), date(2026, 2, 28), 25),
        (date(2000, 2, 29), date(2026, 3, 1), 26),
        (date(2000, 2, 29), date(2024, 2, 29), 24),
        (date(2026, 1, 1), date(2026, 1, 1), 0),
    ],
)
def test_age(birth: date, on: date, age: int) -> None:
    """A year of age begins on the birthday, for those born on 29 February on 1 March of other years."""
    assert dates.age(birth, on) == age
