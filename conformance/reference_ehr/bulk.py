"""Bulk export of the reference EHR: kick-off, status, manifest and files (Bulk Data Access 2, ``$export`` by GET).

https://hl7.org/fhir/uv/bulkdata/export.html . An export is taken when it is asked for; its first status request is
answered with 202, so that a client's waiting is tried, and every later one with the manifest.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import count

from conformance.reference_ehr.codec import encode
from conformance.reference_ehr.instants import interval
from conformance.reference_ehr.refusals import Json, invalid, not_found
from conformance.reference_ehr.search import local_reference, values
from conformance.reference_ehr.store import Clock, Store, Version
from conformance.reference_ehr.validate import patient_of

NDJSON = "application/fhir+ndjson"
GROUP = "clinic"
"""The one Group: everybody but the last patient, so that a group's export is not everybody's."""

_FORMATS = (NDJSON, "application/ndjson", "ndjson")
_PARAMETERS = ("_outputFormat", "_since", "_type")
_KEPT = timedelta(hours=1)
_NOBODYS = frozenset({"Practitioner", "PractitionerRole", "Organization", "Group"})  # of a system's export only


@dataclass(slots=True)
class Export:
    """One export that was asked for. ``files``: type → resources; ``client`` alone may ask for them."""

    client: str
    request: str
    at: datetime
    files: Mapping[str, Sequence[Version]]
    polls: int = field(default=0)


class Exports:
    """The exports that are held, by their number in the order in which they were asked for."""

    def __init__(self, root: str, store: Store, clock: Clock) -> None:
        self.root, self._store, self._clock = root, store, clock
        self._held: dict[str, Export] = {}
        self._numbers = count(1)

    def begin(
        self, level: str, request: str, query: Sequence[tuple[str, str]], client: str, may: Callable[[str], bool]
    ) -> str:
        """Take an export of ``""`` (the system), ``Patient`` or ``Group/id`` and return where its status is.

        ``may``: whether the client may read a type. Refuses parameters that are not known, and groups that are not.
        """
        asked = _asked(query)
        members = self._members(level)
        types = _listed(asked, "_type")
        since = interval(asked["_since"])[1] if "_since" in asked else None
        files: dict[str, list[Version]] = {}
        for version in self._reached(level, members):
            wanted = (not types or version.type in types) and (since is None or version.updated >= since)
            if wanted and may(version.type):
                files.setdefault(version.type, []).append(version)
        number = str(next(self._numbers))
        self._held[number] = Export(client, request, self._clock(), files)
        return f"{self.root}/bulk/{number}"

    def status(self, number: str, client: str) -> tuple[int, Mapping[str, str], Json | None]:
        """Return status, headers and manifest of an export: 202 once, then 200."""
        found = self._find(number, client)
        found.polls += 1
        if found.polls == 1:
            return 202, {"Retry-After": "1", "X-Progress": "0 of 1 files written"}, None
        output = [
            {"type": kind, "url": f"{self.root}/bulk/{number}/{kind}.ndjson", "count": len(held)}
            for kind, held in sorted(found.files.items())
        ]
        manifest: Json = {
            "transactionTime": found.at.isoformat(timespec="milliseconds"),
            "request": found.request,
            "requiresAccessToken": True,
            "output": output,
            "error": [],
        }
        return 200, {"Expires": format_datetime(found.at + _KEPT, usegmt=True)}, manifest

    def file(self, number: str, kind: str, client: str) -> bytes:
        """Return one file, a resource a line."""
        found = self._find(number, client)
        if kind not in found.files:
            raise not_found("file")
        return b"".join(encode(one.body) + b"\n" for one in found.files[kind])

    def end(self, number: str, client: str) -> None:
        """Forget an export and its files."""
        self._find(number, client)
        del self._held[number]

    def _find(self, number: str, client: str) -> Export:
        found = self._held.get(number)
        if found is None or found.client != client:
            raise not_found("export")
        return found

    def _members(self, level: str) -> frozenset[str] | None:
        if not level.startswith("Group/"):
            return None
        group = self._store.read(level).body
        members = (local_reference(one, "") for one in values(group, "member.entity"))
        return frozenset(one for one in members if one)

    def _reached(self, level: str, members: frozenset[str] | None) -> Iterator[Version]:
        """Yield what an export is of; a Medication comes along where an order of the export refers to it."""
        drugs: set[str] = set()
        for version in self._store.everything():
            whose = patient_of(version.body, self.root + "/fhir")
            mine = members is None or whose in members
            if mine and not (level and (version.type in _NOBODYS or version.type == "Medication")):
                drugs.update(_drugs(version, self.root + "/fhir"))
                yield version
        if level:
            yield from (one for one in self._store.all("Medication") if one.reference in drugs)


def group(patients: Sequence[str]) -> Json:
    """Return the Group of these patients but the last."""
    members = [{"entity": {"reference": f"Patient/{one}"}} for one in sorted(patients)[:-1]]
    return {
        "resourceType": "Group",
        "id": GROUP,
        "type": "person",
        "actual": True,
        "name": "Outpatient clinic (synthetic)",
        "quantity": len(members),
        "member": members,
    }


def _asked(query: Sequence[tuple[str, str]]) -> dict[str, str]:
    asked = dict(query)
    unknown = [name for name in asked if name not in _PARAMETERS]
    if unknown:
        raise invalid(f"An export has no parameter {unknown[0][:40]} here.")
    if asked.get("_outputFormat", NDJSON) not in _FORMATS:
        raise invalid(f"Files are written as {NDJSON} only.")
    return asked


def _listed(asked: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(one for one in asked.get(name, "").split(",") if one)


def _drugs(version: Version, base: str) -> Iterator[str]:
    for path in ("medicationReference", "medication.reference"):
        for found in values(version.body, path):
            if reference := local_reference(found, base):
                yield reference
