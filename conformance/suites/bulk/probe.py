"""What the checks ask of a bulk export: kick-offs, a manifest that is waited for, files, and patients in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from conformance.checks import Broken, Untested
from conformance.exchanges import Exchange
from conformance.session import Session
from conformance.suites.bulk import lines
from conformance.suites.bulk.lines import Lines
from conformance.suites.ehr.answers import got
from conformance.suites.ehr.charts import Read
from conformance.suites.ehr.listings import Json
from conformance.suites.ehr.probe import TEMPLATES
from conformance.suites.ehr.probe import Probe as Rest

KICK_OFF: Mapping[str, str] = {"accept": "application/fhir+json", "prefer": "respond-async"}
_JSON: Mapping[str, str] = {"accept": "application/json"}
NDJSON = "application/fhir+ndjson"
_LONGEST_S = 120.0  # that an export is waited for
_MOST_LINES = 50_000  # that are taken: a hospital's whole export is no test


@dataclass(frozen=True, slots=True)
class Done:
    """An export that ended. ``polls`` are the status requests, the last of which brought the manifest."""

    kick_off: Exchange
    polls: tuple[Exchange, ...]

    @property
    def manifest(self) -> Json:
        """The manifest, empty where none came."""
        return self.polls[-1].object()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of its requests."""
        return (self.kick_off.number, self.polls[-1].number)

    def output(self) -> list[Json]:
        """Return the files that are listed with a type and an address."""
        listed = self.polls[-1].list("output") or ()
        return [one for one in listed if isinstance(one.get("url"), str) and isinstance(one.get("type"), str)]


class Probe:
    """One export under test, of a group where one is named, of all patients else. ``rest`` reads the same EHR."""

    def __init__(self, rest: Rest, group: str = "") -> None:
        self.rest, self.group = rest, group
        self.exported: dict[str, Read] = {}  # patient → the chart as it was exported
        self.open: dict[str, Exchange] = {}  # address of a status → its kick-off, of what is not given back yet
        self.waited_s = 0.0

    @property
    def session(self) -> Session:
        """The session that every request goes through."""
        return self.rest.session

    @property
    def levels(self) -> Mapping[str, str]:
        """The operation's paths by level; the group's where one was named."""
        named = {"group": f"Group/{self.group}/$export"} if self.group else {}
        return {**named, "patient": "Patient/$export", "system": "$export"}

    async def kick_off(self, path: str, query: str = "", *, token: bool = True) -> Exchange:
        """Ask for an export; what is begun is given back at the end of the run."""
        if token:
            await self.rest.ready()
        url = f"{path}?{query}" if query else path
        answer = await self.session.send("GET", url, headers=KICK_OFF, token=token)
        place = location(answer)
        if answer.status == 202 and place:
            self.open[place] = answer
        return answer

    async def accepted(self, query: str = "") -> Exchange:
        """Return a kick-off that was taken, the first of the run without a query; Untested where none is."""
        path, types, first = await self.way()
        if not query:
            answer = first
        else:
            wanted = f"_type={types}&" if types and "_type=" not in query else ""
            answer = await self.kick_off(path, wanted + query)
        if answer.status != 202 or not location(answer):
            raise Untested(f"no export was begun ({got(answer)}), so this was not judged", (answer.number,))
        return answer

    async def way(self) -> tuple[str, str, Exchange]:
        """Return path, ``_type`` and answer of the kick-off that is taken here; Untested where none is."""
        path, types, answer = await self.first()
        if answer.status != 202:
            raise Untested(f"no export was begun ({got(answer)}); see export.accepted", (answer.number,))
        return path, types, answer

    async def first(self) -> tuple[str, str, Exchange]:
        """Return path, ``_type`` and answer of the first kick-off that is taken, else of the first; asked for once."""
        return await self.session.once("first", self._first)

    async def _first(self) -> tuple[str, str, Exchange]:
        types, tried = ",".join(await self.types()), list[tuple[str, str, Exchange]]()
        for path in self.levels.values():
            for asked in (types, ""):
                answer = self.rest.let_in(await self.kick_off(path, f"_type={asked}" if asked else ""))
                tried.append((path, asked, answer))
                if answer.status == 202:
                    return tried[-1]
                if answer.status not in (400, 422):  # a type that is not exported is no reason to try another level
                    break
        return tried[0]

    async def types(self) -> Sequence[str]:
        """Return the types that the service reads, in this dialect."""
        profile = await self.rest.profile()
        found: dict[str, None] = {}
        for template in TEMPLATES.values():
            kind = template.template.partition("?")[0].partition("/")[0]
            search = profile.searching(kind)
            if search.supported:
                found[search.type or kind] = None
        return (*found, "Medication")

    async def ended(self, query: str = "") -> Done:
        """Return an export that was waited for, whatever became of it; asked for once a query."""

        async def whole() -> Done:
            kicked = await self.accepted(query)
            return Done(kicked, await self.polls(location(kicked)))

        return await self.session.once(f"export {query}", whole)

    async def done(self, query: str = "") -> Done:
        """Return an export that came to its manifest; Untested where it did not."""
        found = await self.ended(query)
        last = found.polls[-1]
        if last.status != 200:
            words = "did not end in time" if last.status == 202 else f"failed ({got(last)})"
            raise Untested(f"the export {words}, so this was not judged", (last.number,))
        return found

    async def polls(self, place: str) -> tuple[Exchange, ...]:
        """Ask for the status until it is done, as often as the server says, for at most two minutes in a run."""
        found = [await self.status(place)]
        while found[-1].status == 202 and self.waited_s < _LONGEST_S:
            seconds = min(max(wait_of(found[-1]) or 2.0 ** min(len(found) - 1, 4), 0.5), _LONGEST_S - self.waited_s)
            await self.session.wait(seconds)
            self.waited_s += seconds
            found.append(await self.status(place))
        return tuple(found)

    async def status(self, place: str, *, token: bool = True) -> Exchange:
        """Ask for the status once."""
        return await self.session.send("GET", place, headers=_JSON, token=token)

    async def file(self, url: str, *, token: bool = True) -> Exchange:
        """Ask for a file; once with the token."""
        headers = {"accept": NDJSON}
        if not token:
            return await self.session.send("GET", url, headers=headers, token=False)
        return await self.session.once(f"file {url}", lambda: self.session.send("GET", url, headers=headers))

    async def files(self, done: Done) -> list[tuple[Json, Lines]]:
        """Return the files of an export with what stands in them; Untested where it is too large for a test."""
        listed = done.output()
        counts = [one["count"] for one in listed if isinstance(one.get("count"), int)]
        if sum(counts) > _MOST_LINES:
            said = f"the export has {sum(counts)} resources, more than a test takes: name a small group (--group)"
            raise Untested(said, done.numbers)
        return [(one, lines.of(await self.file(str(one["url"])))) for one in listed if self.at_home(str(one["url"]))]

    async def resources(self, done: Done) -> list[Json]:
        """Return every resource of an export; Untested where there is none."""
        found = [one for _, held in await self.files(done) for one in held.resources]
        if not found:
            raise Untested("the export holds no resource that can be read", done.numbers)
        return found

    async def people(self) -> list[str]:
        """Return the ids of the Patients in the export; Untested where there are none."""
        found = {str(one.get("id")) for one in await self.resources(await self.done()) if _is_patient(one)}
        if not found:
            raise Untested("the export holds no Patient")
        return sorted(found)

    def at_home(self, url: str) -> bool:
        """Return whether an address is on the FHIR base's own host, so that a token may go there."""
        ours, theirs = urlsplit(self.session.base), urlsplit(url)
        return (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)

    async def delete(self, place: str) -> Exchange:
        """Cancel an export, or give it back."""
        self.open.pop(place, None)
        return await self.session.send("DELETE", place, headers=_JSON)

    async def finish(self) -> None:
        """Give back every export that this run began; what cannot be is the EHR's to forget."""
        self.session.allow(len(self.open))
        for place in list(self.open):
            try:
                await self.delete(place)
            except (Untested, Broken):
                return


def location(answer: Exchange) -> str:
    """Return where the status is, empty where no absolute address is named."""
    place = answer.header("content-location")
    return place if place.startswith(("http://", "https://")) else ""


def wait_of(answer: Exchange) -> float | None:
    """Return the seconds of Retry-After, which may be a number or a date; None where it is neither."""
    text = answer.header("retry-after").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    then, now = instant_of(text), instant_of(answer.header("date"))
    return max((then - now).total_seconds(), 0.0) if then and now else None


def instant_of(text: str) -> datetime | None:
    """Return the instant of an HTTP date, None where it is none."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def values(resources: Sequence[Json], keys: Sequence[str], kinds: Mapping[str, str]) -> dict[str, bytes]:
    """Return one patient's resources as prefetch values, as the adapters read them by REST.

    ``keys`` are the templates that REST answered, ``kinds`` their types. An export says no codes: all Observations
    stand under one key.
    """
    found: dict[str, bytes] = {}
    taken: set[str] = set()
    for key in sorted(keys, key=lambda one: one != "observations"):
        kind = kinds[key]
        own = [] if kind in taken else [one for one in resources if one.get("resourceType") == kind]
        taken.add(kind)
        drugs = [one for one in resources if one.get("resourceType") == "Medication"] if key == "medications" else []
        found[key] = msgspec.json.encode(own[0]) if key == "patient" and own else _bundle(own, drugs)
    return found


def _bundle(own: Sequence[Json], beside: Sequence[Json]) -> bytes:
    entries: list[Any] = [{"resource": one, "search": {"mode": "match"}} for one in own]
    entries += [{"resource": one, "search": {"mode": "include"}} for one in beside]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})


def _is_patient(resource: Json) -> bool:
    return resource.get("resourceType") == "Patient" and isinstance(cast("Any", resource.get("id")), str)
