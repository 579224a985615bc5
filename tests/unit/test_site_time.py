"""Times of a site: in the zone of its profile, else of the machine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fhir_adapters.dialect import profile as profiles
from fhir_adapters.dialect.profile import Profile
from service import site_time

BASE = profiles.load("base-r4")
AT = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)


def zoned(zone: str | None) -> Profile:
    """Return the base profile in a zone."""
    return replace(BASE, zone=zone)


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("-05:00", "2026-11-21 22:30"), ("America/Chicago", "2026-11-21 21:30"), ("+05:45", "2026-11-22 09:15")],
)
def test_a_profiles_zone_decides_which_day_it_is(zone: str, shown: str) -> None:
    """An instant stands on the day of the site, and the site's own words lead back to the instant."""
    here = site_time.local(AT, zoned(zone))
    assert f"{here:%Y-%m-%d %H:%M}" == shown
    assert site_time.of_local(f"{here:%Y-%m-%dT%H:%M}", zoned(zone)) == AT


def test_without_a_zone_the_machines_counts() -> None:
    """Both ways use the machine's zone, so they agree with each other."""
    here = site_time.local(AT, zoned(None))
    assert here == AT
    assert site_time.of_local(f"{here:%Y-%m-%dT%H:%M}", zoned(None)) == AT


def test_an_hour_that_is_shown_twice_is_the_first() -> None:
    """When the clocks go back, the earlier of the two instants is taken."""
    found = site_time.of_local("2026-11-01T01:30", zoned("America/New_York"))
    assert found is not None
    assert found.utcoffset() == timedelta(hours=-4)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-22", "2026-11-22T10:00Z", "2026-11-22T10:00+01:00", "2026-13-01T10:00"]
)
def test_what_is_no_local_time_is_none(text: str) -> None:
    """A day alone, a time with a zone and nonsense name no local time."""
    assert site_time.of_local(text, zoned("-05:00")) is None
