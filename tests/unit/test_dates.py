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


@pytest.mark.parametrize(
    ("text", "zone", "day", "moment", "repairs", "last"),
    [
        ("2026", None, date(2026, 1, 1), None, ("year-only",), date(2026, 12, 31)),
        ("2026-02", "+01:00", date(2026, 2, 1), None, ("month-only",), date(2026, 2, 28)),
        ("2026-02-03", "+01:00", date(2026, 2, 3), None, (), date(2026, 2, 3)),
        ("2026-02-03T00:30:00", None, date(2026, 2, 3), None, (), date(2026, 2, 3)),
        (
            *("2026-02-03T00:30:00", "+01:00", date(2026, 2, 3), "2026-02-02T23:30:00+00:00"),
            *(("zone-from-profile",), date(2026, 2, 3)),
        ),
        ("2026-02-03T00:30:00Z", "+01:00", date(2026, 2, 3), "2026-02-03T00:30:00+00:00", (), date(2026, 2, 3)),
        ("2026-03-29T02:30:00", "Europe/Berlin", date(2026, 3, 29), None, (), date(2026, 3, 29)),  # no such time
        ("2026-10-25T02:30:00", "Europe/Berlin", date(2026, 10, 25), None, (), date(2026, 10, 25)),  # two such times
        ("0001-01-01T00:00:00", "+14:00", date(1, 1, 1), None, (), date(1, 1, 1)),
    ],
)
def test_when(text: str, zone: str | None, day: date, moment: str | None, repairs: tuple[str, ...], last: date) -> None:
    """A day as written, an instant only where it is one, and how much of a date is missing."""
    found = dates.when(text, zone)
    assert found == dates.When(day, moment, repairs)
    assert dates.last_day(found.day or day, found.repairs) == last


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-01", "2026-W01-1", "20260101T000000Z"])
def test_what_is_no_date_is_never(text: str | None) -> None:
    """Whatever Python itself would read, what is no FHIR date has no day and no instant."""
    assert dates.when(text, "+01:00") == dates.When()
