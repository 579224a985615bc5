"""Follow-up reads: the Medications that requests refer to and that came with no answer.

Most of one large vendor's requests name their drug by reference only, and its searches do not include it.
What cannot be read leaves its drug unresolved by name (``reference-not-found``), never the whole call.
"""

import asyncio
from collections.abc import Iterator, Mapping

import msgspec

from fhir_adapters.dialect.profile_file import FollowUp
from fhir_adapters.errors import InputError
from fhir_adapters.reading import strict_json
from service.ehr.client import EhrClient
from service.errors import ServiceError

KEYS = ("medications", "statements")  # the prefetch values that may refer to Medications
_KIND = "Medication/"


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Codeable(msgspec.Struct):
    reference: _Reference | None = None


class _Request(msgspec.Struct):
    """A request or statement; ``medication`` is R5's CodeableReference."""

    medicationReference: _Reference | None = None  # noqa: N815
    medication: _Codeable | None = None


class _Held(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815
    id: str | None = None


class _Entry(msgspec.Struct):
    fullUrl: str | None = None  # noqa: N815
    resource: msgspec.Raw = msgspec.Raw()


class _Value(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815
    entry: list[_Entry] = []


async def with_medications(
    values: Mapping[str, bytes], client: EhrClient, token: str | None, limits: FollowUp, seconds: float
) -> dict[str, bytes]:
    """Return the values that changed: with the Medications that they refer to, read within ``seconds``.

    At most ``limits.cap`` are read, ``limits.batch`` at a time, at this EHR only. A Medication goes into the
    value that refers to it first, as an included entry.
    """
    wanted = _wanted(values, client)
    chosen = dict(list(wanted.items())[: limits.cap])
    if not chosen or seconds <= 0:
        return {}
    gate = asyncio.Semaphore(limits.batch)
    tasks = {name: asyncio.create_task(_read(name, client, token, gate)) for name in chosen}
    try:
        await asyncio.wait(tasks.values(), timeout=seconds)
    finally:
        for task in tasks.values():
            task.cancel()
    read = await asyncio.gather(*tasks.values(), return_exceptions=True)
    added: dict[str, list[bytes]] = {}
    for name, found in zip(tasks, read, strict=True):
        if isinstance(found, bytes):
            added.setdefault(chosen[name], []).append(found)
        elif isinstance(found, Exception):
            raise found
    return {key: _with(values[key], medications) for key, medications in added.items()}


def _wanted(values: Mapping[str, bytes], client: EhrClient) -> dict[str, str]:
    """Return the Medications that are missing, each with the key of the value that refers to it first."""
    lists = {key: values[key] for key in KEYS if key in values}
    if not any(b'"medicationReference"' in raw or b'"medication"' in raw for raw in lists.values()):
        return {}
    named: dict[str, str] = {}
    held: set[str] = set()
    for key, raw in lists.items():
        for entry in _entries(raw):
            held |= {entry.fullUrl or "", _address(entry.resource)}
            for reference in _references(entry.resource):
                named.setdefault(reference, key)
    missing = ((_here(reference, client), key) for reference, key in named.items() if reference not in held)
    found: dict[str, str] = {}
    for name, key in missing:
        if name is not None and name not in held:
            found.setdefault(name, key)
    return found


def _entries(raw: bytes) -> list[_Entry]:
    try:
        value = msgspec.json.decode(raw, type=_Value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return value.entry if value.resourceType == "Bundle" else [_Entry(None, msgspec.Raw(raw))]


def _address(resource: msgspec.Raw) -> str:
    try:
        held = msgspec.json.decode(resource, type=_Held)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return f"{held.resourceType}/{held.id}"


def _references(resource: msgspec.Raw) -> Iterator[str]:
    try:
        request = msgspec.json.decode(resource, type=_Request)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    for reference in (request.medicationReference, request.medication and request.medication.reference):
        if reference and reference.reference and not reference.reference.startswith("#"):
            yield reference.reference.partition("/_history/")[0]


def _here(reference: str, client: EhrClient) -> str | None:
    """Return ``Medication/id`` for a reference to a Medication at this EHR; nothing else is fetched."""
    try:
        short = client.relative(reference)
    except ServiceError:
        return None
    return short if short.startswith(_KIND) else None


async def _read(name: str, client: EhrClient, token: str | None, gate: asyncio.Semaphore) -> bytes | None:
    """Return the Medication, None where the EHR does not give it or gives something else."""
    async with gate:
        try:
            raw = await client.read(name, token)
            strict_json.check(raw)
        except (ServiceError, InputError):
            return None
    return raw if _address(msgspec.Raw(raw)) == name else None


def _with(value: bytes, medications: list[bytes]) -> bytes:
    """Return a searchset or a lone resource with included entries; they count in no ``total``."""
    head = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    included = [{"resource": msgspec.Raw(one), "search": {"mode": "include"}} for one in medications]
    if bytes(head["resourceType"]) != b'"Bundle"':
        alone = {"resource": msgspec.Raw(value)}
        return msgspec.json.encode({"resourceType": "Bundle", "type": "collection", "entry": [alone, *included]})
    entries = msgspec.json.decode(head["entry"], type=list[msgspec.Raw])
    return msgspec.json.encode({**head, "entry": [*entries, *included]})
