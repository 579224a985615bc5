"""The time at a site: in the zone that its profile declares, else in the zone of the machine."""

from datetime import datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from fhir_adapters.dialect.profile import Profile


def local(at: datetime, profile: Profile) -> datetime:
    """Return an aware time as the clocks of the site show it."""
    return at.astimezone(_zone(profile.zone))


def of_local(text: str, profile: Profile) -> datetime | None:
    """Return the aware time that a site's ``2026-11-22T10:42`` names, None for anything else.

    An hour that the clocks show twice is the first of the two: an assessment counts for what came before it, so the
    earlier time claims less.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is not None or "T" not in text:
        return None
    zone = _zone(profile.zone)
    return found.replace(tzinfo=zone) if zone else found.astimezone()


@lru_cache(maxsize=64)
def _zone(name: str | None) -> tzinfo | None:
    """Return the zone of an offset or an IANA name; None stands for the machine's."""
    if name is None:
        return None
    if name[0] in "+-":
        return datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo
    return ZoneInfo(name)
