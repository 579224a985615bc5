"""One patient's chart as the service would read it: the same searches, the same adapters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import msgspec

from conformance.checks import Untested
from conformance.suites.ehr.listings import Json, Listing
from conformance.suites.ehr.probe import TEMPLATES, Probe
from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.reading import reader
from fhir_adapters.reading.told import assumed
from fhir_adapters.survey.searches import Request

# What a failed search leaves behind: an error of that list, not an empty one.
_UNREADABLE = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}'
_DRUGS = ("medications", "statements")
_CATEGORIES = "laboratory,vital-signs,survey,social-history"
_EMPTY = b'{"resourceType":"Bundle","type":"searchset"}'


@dataclass(frozen=True, slots=True)
class Read:
    """A chart and what was made of it. ``lists`` are the answers that it was read from, by template."""

    patient: str
    lists: dict[str, Listing]
    reading: Reading
    adapted: Adapted

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the requests behind it."""
        return tuple(number for one in self.lists.values() for number in one.numbers)


class Unreadable(Untested):
    """The adapters refuse a chart as a whole: a finding of one check, and nothing to judge for all others."""

    def __init__(self, code: str, exchanges: Sequence[int]) -> None:
        super().__init__(f"a chart cannot be read ({code})", exchanges)
        self.code = code


async def read(probe: Probe, patient: str) -> Read:
    """Return one patient as the adapters read the chart; asked for once. Untested where it cannot be read."""
    return await probe.session.once(f"chart {patient}", lambda: _read(probe, patient))


async def reads(probe: Probe) -> list[Read]:
    """Return all patients whose charts can be read; Untested where there are none."""
    found: list[Read] = []
    why: Untested | None = None
    for patient in await probe.patients():
        try:
            found.append(await read(probe, patient))
        except Untested as none:
            why = none
    if not found:
        raise why or Untested("no chart could be read")
    return found


async def _read(probe: Probe, patient: str) -> Read:
    found = {key: one for key in TEMPLATES if (one := await probe.listing(key, patient)) is not None}
    values = {key: one.value() for key, one in found.items() if not one.stopped}
    values |= dict.fromkeys((key for key, one in found.items() if one.stopped and one.last.status != 404), _UNREADABLE)
    for key in _DRUGS:
        if key in values and not found[key].stopped:
            values[key] = await _with_medications(probe, values[key], found[key])
    return read_values(patient, found, values, await probe.profile(), probe.now.date())


def read_values(patient: str, lists: dict[str, Listing], values: dict[str, bytes], profile: Profile, day: date) -> Read:
    """Read prefetch values as the service does; Untested where that is refused."""
    first = assumed(profile.fhir_versions)
    try:
        chart = reader.read_prefetch(values, patient, repairs=profile.repairs, assumed=first, notices=profile.notices)
        reading = Reading(chart, profile, terminology.load())
        return Read(patient, lists, reading, adapt_chart(reading, day))
    except InputError as error:
        numbers = [number for one in lists.values() for number in one.numbers[:1]]
        raise Unreadable(error.code, numbers) from error


def where(one: Read, reference: str, path: str) -> tuple[tuple[int, ...], str]:
    """Return the request that brought a resource, and the JSON path in its answer; the reference where none did."""
    for listing in one.lists.values():
        for number, place, _, resource in listing.entries():
            if f"{resource.get('resourceType')}/{resource.get('id')}" == reference:
                return (number,), f"{place}.{path}" if path else place
    return (), f"{reference} {path}".strip()


async def medication(probe: Probe, reference: str) -> Listing:
    """Read one Medication that a request refers to; asked for once."""
    return await probe.follow(Request(reference))


def references(listing: Listing, base: str) -> list[str]:
    """Return the ``Medication/id`` that requests refer to and that did not come with them."""
    held: set[str] = set()
    named: list[str] = []
    for _, _, _, resource in listing.entries():
        held.add(f"{resource.get('resourceType')}/{resource.get('id')}")
        drug: Any = resource.get("medicationReference") or resource.get("medication")
        inner: Any = cast("Json", drug).get("reference") if isinstance(drug, dict) else None
        text: Any = cast("Json", inner).get("reference") if isinstance(inner, dict) else inner
        if isinstance(text, str):
            named.append(text.removeprefix(f"{base}/").partition("/_history/")[0])
    return [one for one in dict.fromkeys(named) if one.startswith("Medication/") and one not in held]


async def _with_medications(probe: Probe, value: bytes, listing: Listing) -> bytes:
    """Return the value with the Medications that it refers to, as many as the profile reads."""
    limit = (await probe.profile()).follow_up.cap
    read = [await medication(probe, one) for one in references(listing, probe.base)[:limit]]
    added = [{"resource": one.last.object(), "search": {"mode": "include"}} for one in read if not one.stopped]
    if not added:
        return value
    body = msgspec.json.decode(value, type=dict[str, Any])
    return msgspec.json.encode({**body, "entry": [*body.get("entry", []), *added]})


async def widened(probe: Probe, one: Read) -> tuple[Read, int]:
    """Return the chart with every Observation of the usual categories, and how many of them did not come by code.

    The service asks by code, so what has a local code only is never seen by it; a report has to tell.
    """
    search = (await probe.profile()).searching("Observation")
    patient = f"Patient/{one.patient}" if search.patient == "reference" else one.patient
    count = "" if "_count" in search.omit else f"&_count={min(100, search.max_count or 100)}"
    found = await probe.follow(Request(f"Observation?patient={patient}&category={_CATEGORIES}{count}"))
    if found.stopped:
        raise Untested("Observations cannot be asked for by category", found.numbers)
    keys = ("scores", "observations", "genes", "daily")
    held = {str(r.get("id")) for key in keys if key in one.lists for _, _, r in one.lists[key].matches()}
    new = [resource for _, _, resource in found.matches() if str(resource.get("id")) not in held]
    if not new:
        return one, 0
    values = {key: listing.value() for key, listing in one.lists.items() if not listing.stopped}
    body = msgspec.json.decode(values.get("observations", _EMPTY), type=dict[str, Any])
    kept = {name: value for name, value in body.items() if name not in ("total", "link")}
    added = [{"resource": resource, "search": {"mode": "match"}} for resource in new]
    values["observations"] = msgspec.json.encode({**kept, "entry": [*body.get("entry", []), *added]})
    return read_values(one.patient, one.lists, values, one.reading.profile, probe.now.date()), len(new)
