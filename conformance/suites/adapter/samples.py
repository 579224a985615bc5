"""Sample payloads of a folder, one a patient: whole records, prefetch values and hook calls, exports by type.

Every sample is one JSON value that holds resources, so that it can be changed in one place and read again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import msgspec

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.facts import Reading
from fhir_adapters.reading import population, reader
from fhir_adapters.reading.told import assumed

Json = dict[str, Any]
_DRUG = re.compile(r"(?:^|/)(Medication/[A-Za-z0-9\-.]{1,64})")
_ENOUGH = "send the Patient with its resources, each with its subject"


@dataclass(frozen=True, slots=True)
class Sample:
    """One patient's payload. ``name`` is the file, or the folder and the patient's id; ``prefetch``: a hook's values.

    ``patient`` is the id that a hook call names, empty for none. ``error`` stands where nothing can be read.
    """

    name: str
    value: Any = None
    prefetch: bool = False
    patient: str = ""
    error: InputError | None = None

    def read(self, profile: Profile, day: date, value: Any = None) -> tuple[Reading, Adapted]:
        """Return the sample, or another value in its place, as the adapters read it on a day; InputError."""
        if self.error is not None:
            raise self.error
        held, first = self.value if value is None else value, assumed(profile.fhir_versions)
        if self.prefetch:
            values = {key: msgspec.json.encode(one) for key, one in held.items()}
            chart = reader.read_prefetch(
                values, self.patient, repairs=profile.repairs, assumed=first, notices=profile.notices
            )
        else:
            raw = msgspec.json.encode(held)
            chart = reader.read(raw, repairs=profile.repairs, assumed=first, notices=profile.notices)
        reading = Reading(chart, profile, terminology.load())
        return reading, adapt_chart(reading, day)


def find(folder: Path, profile: Profile) -> tuple[list[Sample], int]:
    """Return the samples under a folder in the order of their names, and how many other files lie there."""
    found: list[Sample] = []
    others = sum(path.is_file() and path.suffix not in (".json", ".ndjson") for path in folder.rglob("*"))
    first = assumed(profile.fhir_versions)
    for _, files in population.folders([folder]):
        pool: list[Any] = []
        for path in files:
            name = path.relative_to(folder).as_posix()
            value = _decoded(path)
            if (called := _prefetch(value)) is not None:
                found.append(Sample(name, called[0], True, called[1]))
                continue
            look = population.look(path, assumed=first, notices=profile.notices)
            if look.error is not None:
                found.append(Sample(name, error=look.error))
            elif look.whole:
                found.append(Sample(name, value))
            else:
                pool += resources(value)
        where = files[0].parent.relative_to(folder).as_posix()
        found += _pooled("" if where == "." else f"{where}/", pool)
    return sorted(found, key=lambda one: one.name), others


def resources(value: Any) -> Iterator[Json]:
    """Yield the resources in a JSON value, those in Bundles and lists too; what a resource contains is its own."""
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from resources(one)
    elif isinstance(value, dict):
        found = cast("Json", value)
        if found.get("resourceType") == "Bundle":
            yield from resources([one.get("resource") for one in _entries(found)])
        elif isinstance(found.get("resourceType"), str):
            yield found
        else:
            yield from resources(list(found.values()))


def _entries(bundle: Json) -> list[Json]:
    held: Any = bundle.get("entry")
    return [cast("Json", one) for one in cast("list[Any]", held or []) if isinstance(one, dict)]


def _decoded(path: Path) -> Any:
    """Return what a file holds, the lines of NDJSON as a list; None for what is no JSON."""
    try:
        raw = path.read_bytes()
        if path.suffix == ".ndjson":
            return [msgspec.json.decode(line) for line in raw.splitlines() if line.strip()]
        return msgspec.json.decode(raw)
    except (OSError, msgspec.DecodeError):
        return None


def _prefetch(value: Any) -> tuple[Json, str] | None:
    """Return prefetch values and the patient's id, of a hook call or of prefetch values alone; None for others."""
    if not isinstance(value, dict) or "resourceType" in value:
        return None
    found = cast("Json", value)
    held: Any = found.get("prefetch", found)
    values = cast("Json", held) if isinstance(held, dict) else {}
    if not values or not (values.keys() & reader.PREFETCH_KEYS.keys()):
        return None
    context: Any = found.get("context")
    named: Any = cast("Json", context).get("patientId") if isinstance(context, dict) else None
    person: Any = values.get("patient")
    own: Any = cast("Json", person).get("id") if isinstance(person, dict) else None
    return values, str(named or own or "").removeprefix("Patient/")


def _pooled(prefix: str, pool: Sequence[Json]) -> Iterator[Sample]:
    """Yield one sample a Patient, of resources that lie in several files."""
    people = {str(one["id"]): one for one in pool if one["resourceType"] == "Patient" and one.get("id")}
    drugs = {f"Medication/{one.get('id')}": one for one in pool if one["resourceType"] == "Medication"}
    owned: dict[str, list[Json]] = {name: [person] for name, person in people.items()}
    lost = 0
    for one in pool:
        if one["resourceType"] in ("Patient", "Medication"):
            continue
        whose = _whose(one)
        held = owned.get(whose, owned.get(next(iter(people)), []) if len(people) == 1 and not whose else None)
        if held is None:
            lost += 1
        else:
            held.append(one)
            held += [drugs[name] for name in _drugs(one) if name in drugs and drugs[name] not in held]
    for name, held in owned.items():
        yield Sample(f"{prefix}{name}", held)
    if lost:
        said = f"{lost} resources name no patient of this folder; {_ENOUGH}"
        yield Sample(f"{prefix}(resources of nobody)", error=InputError("U-FHIR-NO-PATIENT", said))


def _whose(resource: Mapping[str, Any]) -> str:
    held: Any = resource.get("subject") or resource.get("patient")
    text = str(cast("Json", held).get("reference", "")) if isinstance(held, dict) else ""
    return text.partition("/_history/")[0].rpartition("/")[2]


def _drugs(resource: Json) -> list[str]:
    held: Any = resource.get("medicationReference") or resource.get("medication")
    inner: Any = cast("Json", held).get("reference") if isinstance(held, dict) else None
    text: Any = cast("Json", inner).get("reference") if isinstance(inner, dict) else inner
    return _DRUG.findall(text) if isinstance(text, str) else []
