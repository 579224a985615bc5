"""What stands in an export: whose it is, whether parameters keep it, and whether it feeds what REST feeds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from conformance.checks import Check, Told, Untested, failed, passed, warned
from conformance.suites.bulk import requirements as must
from conformance.suites.bulk.probe import Probe, values
from conformance.suites.ehr import charts
from conformance.suites.ehr.answers import got
from conformance.suites.ehr.listings import Json, of_patient
from conformance.suites.ehr.probe import MOST_PATIENTS
from conformance.suites.ehr.terms import SEARCH_BY_CATEGORY
from conformance.wording import counted
from fhir_adapters import dates
from fhir_adapters.canonical import Feature

_GROUP = "content"
# Outside of a patient's compartment: a server may add them whenever they changed.
_BESIDE = frozenset({"Medication", "Practitioner", "PractitionerRole", "Organization", "Location", "Group"})
_MOST = 6  # features that a finding names


async def _patients(probe: Probe) -> Sequence[Told]:
    done = await probe.done()
    people = await probe.people()
    if len(people) > 1:
        return passed(f"{len(people)} patients are exported", *done.numbers)
    if probe.group and len(members := await _members_of(probe)) > 1:
        raise Untested(f"one of the group's {len(members)} members is exported (see content.members)", done.numbers)
    fix = "export a group of two patients at the least (--group): of one, nobody can tell whose record is whose"
    return failed("one patient is exported", *done.numbers, expected="at least 2", got="1", path="$.id", fix=fix)


async def _members_of(probe: Probe) -> set[str]:
    """Return the ids of the group's patients; Untested where it cannot be read."""
    group = await probe.rest.get(f"Group/{probe.group}")
    if group.status != 200:
        raise Untested(f"the group cannot be read ({got(group)}), so its members are not known", (group.number,))
    return {name for one in group.list("member") or () if (name := _patient(one.get("entity"), probe))}


async def _members(probe: Probe) -> Sequence[Told]:
    if not probe.group:
        raise Untested("no group was named (--group)")
    members, done = await _members_of(probe), await probe.done()
    if "/Group/" not in done.kick_off.asked.url:
        raise Untested("the group's export is not begun (see export.group), so another was read", done.numbers)
    people = set(await probe.people())
    if people - members:
        fix = "keep a group's export to its members: this is a disclosure"
        said = f"patients are exported who are not in the group ({len(people - members)})"
        return failed(said, *done.numbers, expected=str(len(members)), got=str(len(people)), path="$.id",
                      fix=fix)  # fmt: skip
    if members - people:
        fix = "export every member, or list in error who could not be"
        return warned(f"{len(members - people)} of {len(members)} members are not exported", *done.numbers,
                      expected=str(len(members)), got=str(len(people)), path="$.id", fix=fix)  # fmt: skip
    return passed(f"the group's {len(members)} members are exported, and nobody else", *done.numbers)


async def _types(probe: Probe) -> Sequence[Told]:
    done = await probe.done("_type=Patient")
    found = {str(one["type"]) for one in done.output()}
    if found - {"Patient"}:
        fix = "keep to the types of _type, or refuse it with 400"
        return failed("_type is not honoured", *done.numbers, expected="Patient", got=", ".join(sorted(found)[:4]),
                      path="$.output[*].type", fix=fix)  # fmt: skip
    return passed("_type=Patient exports Patients only", *done.numbers)


async def _since(probe: Probe) -> Sequence[Told]:
    first = await probe.done()
    text = str(first.manifest.get("transactionTime", ""))
    since = _instant(text)
    if since is None:
        raise Untested("the first export has no transactionTime to go on from", first.numbers)
    done = await probe.done(f"_since={text.replace('+', '%2B')}")
    held = [one for _, lines in await probe.files(done) for one in lines.resources
            if one.get("resourceType") not in _BESIDE]  # fmt: skip
    old = [one for one in held if (when := _updated(one)) is not None and when < since]
    undated = len([one for one in held if _updated(one) is None])
    if old or undated:
        what = f"{len(old)} of {len(held)} are older" if old else f"{undated} have no meta.lastUpdated"
        fix = "honour _since, and keep meta.lastUpdated: without it every export is a whole one"
        return failed(f"_since is not honoured: {what}", *done.numbers, expected="only what changed", got=what,
                      path="$.meta.lastUpdated", fix=fix)  # fmt: skip
    return passed(f"_since brings only what changed ({len(held)})", *done.numbers)


async def _features(probe: Probe) -> Sequence[Told]:
    """The same patient by bulk and by REST, read by the same adapters, on the same day."""
    done = await probe.done()
    exported = await probe.people()
    wanted = probe.rest.access.patients
    people = [one for one in exported if not wanted or one in wanted][:MOST_PATIENTS]
    if not people:
        raise Untested("none of the patients that were named (--patient) is in the export", done.numbers)
    resources = await probe.resources(done)
    differing, said = Counter[str](), list[Told]()
    lacking = await _fewer(probe, people, resources)
    for patient in people:
        for name, by_rest, by_bulk in await _differences(probe, patient, resources):
            differing[name] += 1
            if differing[name] == 1:
                fix = _why(name, by_rest, by_bulk, lacking)
                hidden = by_rest.status != "present" and by_bulk.status == "present"
                message = f"{name} is another by bulk export than by REST"
                said.append(Told("warn" if hidden else "fail", message, f"by REST: {_told(by_rest)}",
                                 f"by bulk: {_told(by_bulk)}", f"feature {name}", fix,
                                 acts="integration-engineer" if hidden else None, exchanges=done.numbers))  # fmt: skip
    if not said:
        return passed(f"{counted(len(people), 'patient')} feed the same features by bulk and by REST", *done.numbers)
    said.sort(key=lambda one: one.verdict)  # what differs before what the searches do not find
    more = len(said) - _MOST
    rest = f"; and {more} more features differ" if more > 0 else ""
    return [replace(said[0], message=said[0].message + rest), *said[1:_MOST]]


async def _differences(probe: Probe, patient: str, resources: Sequence[Json]) -> list[tuple[str, Feature, Feature]]:
    by_rest = await charts.read(probe.rest, patient)
    keys = [key for key, one in by_rest.lists.items() if not one.stopped]
    kinds = {key: one.request.query.partition("?")[0].partition("/")[0] for key, one in by_rest.lists.items()}
    own = [one for one in resources if of_patient(one, patient, probe.rest.base) or _is_beside(one)]
    profile, day = await probe.rest.profile(), probe.rest.now.date()
    by_bulk = probe.exported[patient] = charts.read_values(patient, {}, values(own, keys, kinds), profile, day)
    ours, theirs = by_rest.adapted.features.features, by_bulk.adapted.features.features
    return [
        (name, one, theirs[name])
        for name, one in ours.items()
        if (one.status, one.value) != (theirs[name].status, theirs[name].value)
    ]


def _told(one: Feature) -> str:
    """Return a feature's state without its value: that is a patient's."""
    return one.status if one.status == "present" else f"{one.status} ({one.reason or 'no reason'})"


async def _fewer(probe: Probe, people: Sequence[str], resources: Sequence[Json]) -> str:
    """Return the types of which these patients have fewer by bulk than by REST, with both counts; empty for none."""
    by_rest, by_bulk = Counter[str](), Counter[str]()
    for patient in people:
        read = await charts.read(probe.rest, patient)
        held = {f"{one.get('resourceType')}/{one.get('id')}" for listing in read.lists.values() if not listing.stopped
                for _, _, one in listing.matches()}  # fmt: skip
        by_rest.update(one.partition("/")[0] for one in held)
        by_bulk.update(str(one.get("resourceType")) for one in resources if of_patient(one, patient, probe.rest.base))
    fewer = [f"{kind} ({by_bulk[kind]} of {count})" for kind, count in by_rest.items() if by_bulk[kind] < count]
    return ", ".join(fewer)


def _why(name: str, by_rest: Feature, by_bulk: Feature, lacking: str) -> str:
    if lacking and by_rest.status == "present":
        return f"export all of what REST serves; of these types resources are missing in the export: {lacking}"
    if by_rest.status == by_bulk.status == "present":
        return f"export what REST serves: the two values of {name} come from different resources or units"
    if by_rest.status == "present":
        return f"export the resources that {name} is read from, whole (see the reason); or read these patients by REST"
    return f"the searches by LOINC code do not find {name}, which is there under another code: {SEARCH_BY_CATEGORY}"


def _is_beside(resource: Json) -> bool:
    return resource.get("resourceType") == "Medication"


def _patient(reference: Any, probe: Probe) -> str | None:
    text = str(cast("Json", reference).get("reference", "")) if isinstance(reference, dict) else ""
    plain = text.removeprefix(f"{probe.rest.base}/")
    return plain.removeprefix("Patient/") if plain.startswith("Patient/") else None


def _updated(resource: Json) -> datetime | None:
    meta: Any = resource.get("meta")
    return _instant(str(cast("Json", meta).get("lastUpdated", ""))) if isinstance(meta, dict) else None


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if dates.moment(text) else None


def _checks() -> Iterator[Check[Probe]]:
    yield Check("content.patients", "Two patients", _GROUP, must.D1, "degrades", "integration-engineer", _patients)
    yield Check("content.members", "Members only", _GROUP, must.D2, "blocks-start", "ehr-team", _members)
    yield Check("content.types", "_type", _GROUP, must.D3, "degrades", "ehr-team", _types)
    yield Check("content.since", "_since", _GROUP, must.D4, "degrades", "ehr-team", _since)
    yield Check("content.features", "The same as by REST", _GROUP, must.D5, "blocks-start", "ehr-team", _features)


CHECKS: tuple[Check[Probe], ...] = tuple(_checks())
