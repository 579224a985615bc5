"""Search over the FHIR API: the parameters that are known, and a refusal for every other one.

R4 search: http://hl7.org/fhir/R4/search.html. A parameter that were ignored would answer with more than was
asked for, so none is.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from fastapi import Request

from service.drafts.records import Draft, State
from service.drafts.states import SIGNED, STATES, UNSIGNED
from service.errors import BadRequest, NotFound
from service.fhir import attestations, records, trails
from service.fhir import consents as recorded_consents
from service.fhir import guidance as assessments
from service.fhir import provenances as provenance_of
from service.fhir import tasks as work
from service.fhir.audit_events import chain_place
from service.fhir.capabilities import SEARCHES
from service.fhir.records import Head, Record
from service.fhir.resources import states_of

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.smart.practitioner import Practitioner

PAGE = 100
PAGE_CAP = 1000
_CONTROLS = ("_count", "_offset", "_after", "_summary", "_format")
Read = Callable[["Services", str, str], Awaitable[Record]]
_OfDrafts = Callable[["Services", Sequence[Draft]], list[Record]]
_OfPatient = Callable[["Services", str, str], Awaitable[list[Record]]]


@dataclass(frozen=True, slots=True)
class Query:
    """A checked search: ``values`` of the type's own parameters, and which part of the result to send.

    A page begins behind the record ``after``, where that is still found, else at ``offset``. ``ignored`` are the names
    of parameters that the caller lets us pass over.
    """

    kind: str
    values: dict[str, str]
    count: int
    offset: int
    summary: bool
    after: str = ""
    ignored: tuple[str, ...] = ()

    def link(self, public_url: str, offset: int, after: str = "") -> str:
        """Return the address of this search at ``offset``, behind the record ``after`` where one is given."""
        if self.summary:
            return f"{public_url}/fhir/{self.kind}?{urlencode({**self.values, '_summary': 'count'})}"
        paging = {"_count": str(self.count), "_offset": str(offset)} | ({"_after": after} if after else {})
        return f"{public_url}/fhir/{self.kind}?{urlencode({**self.values, **paging})}"

    def begins(self, found: Sequence[Record]) -> int:
        """Return where the page begins among what is found now: records that came or went meanwhile move it."""
        places = (place for place, one in enumerate(found, start=1) if one.head.id == self.after)
        return next(places, self.offset) if self.after else self.offset


def parse(request: Request, kind: str) -> Query:
    """Return the search; BadRequest U-FHIR-SEARCH for an unknown, repeated or unreadable parameter.

    Unknown ones are passed over where the caller asks for that: http://hl7.org/fhir/R4/search.html#errors.
    """
    items = request.query_params.multi_items()
    given = dict(items)
    unknown = tuple(name for name in given if name not in SEARCHES[kind] and name not in _CONTROLS)
    if unknown and not _is_lenient(request.headers.getlist("prefer")):
        known = ", ".join([*sorted(SEARCHES[kind]), *_CONTROLS])
        raise _refused(f"{kind} is searched by {known}; leave other parameters and modifiers out")
    if len(given) != len(items):
        raise _refused("write each parameter once, alternatives separated by commas")
    if given.get("_summary", "false") not in ("count", "false"):
        raise _refused("_summary is count or false")
    return Query(
        kind=kind,
        values={name: given[name] for name in SEARCHES[kind] if name in given},
        count=_number(given.get("_count"), PAGE, PAGE_CAP),
        offset=_number(given.get("_offset"), 0, None),
        summary=given.get("_summary") == "count" or given.get("_count") == "0",
        after=given.get("_after", ""),
        ignored=unknown,
    )


def _is_lenient(preferences: Sequence[str]) -> bool:
    """Say whether a Prefer header (RFC 7240) has ``handling=lenient``."""
    told = (one.partition(";")[0].replace(" ", "").replace('"', "") for line in preferences for one in line.split(","))
    return "handling=lenient" in (one.lower() for one in told)


def is_open_count(query: Query) -> bool:
    """Say whether the search is the one that anybody may ask: how many drafts are held, nothing else."""
    return query.kind == "MedicationRequest" and query.summary and query.values == {"status": "draft"}


async def count_held(services: "Services") -> int:
    """Return how many drafts are held unsigned, of all tenants: the number that the metric shows."""
    return await services.store.count(UNSIGNED)


async def medication_requests(services: "Services", who: "Practitioner", query: Query) -> list[Record]:
    """Return the tenant's drafts and signed orders that match, newest first."""
    values = dict(query.values)
    if "patient" in values:
        values["patient"] = reference_of(services, who, values["patient"], "Patient")
    if "_id" in values:
        found = await _with_ids(services, who, values["_id"].split(","), records.medication_request)
    else:
        found = await _drafts_and_orders(services, who, values)
    return [record for record in found if matches(record.head, values)]


async def provenances(services: "Services", who: "Practitioner", query: Query) -> list[Record]:
    """Return the Provenance of a target (a draft, an order), of what a draft was the basis of, or of an id."""
    values = query.values
    ways = [("target", provenance_of.of_target), ("entity", provenance_of.of_entity)]
    found: list[list[Record]] = []
    for name, of in ways:
        if name in values:
            ident = reference_of(services, who, values[name], "MedicationRequest").removeprefix("MedicationRequest/")
            found.append(await _quietly(of(services, who.ehr, ident)))
    if not found and "_id" in values:
        found = [await _with_ids(services, who, values["_id"].split(","), provenance_of.read)]
    if not found:
        raise _refused("Provenance is searched by target, entity or _id")
    common = set[str].intersection(*({one.head.id for one in some} for some in found))
    return [one for one in found[0] if one.head.id in common and _is(one.head.id, values.get("_id"))]


async def tasks(services: "Services", who: "Practitioner", query: Query) -> list[Record]:
    """Return the tenant's drafts as work to do, newest first; ``finished`` adds their owners."""
    values = dict(query.values)
    if "focus" in values:
        named = reference_of(services, who, values.pop("focus"), "MedicationRequest").removeprefix("MedicationRequest/")
        focus = await records.draft_of(services, who.ehr, named)
        values["_id"] = focus if _is(focus, values.get("_id")) else ""
    states = work.states_of(values["status"]) if "status" in values else None
    return await _told(services, who, values, work.read, work.of_drafts, states)


async def guidance(services: "Services", who: "Practitioner", query: Query) -> list[Record]:
    """Return the tenant's assessments that held anything, newest first."""
    return await _told(services, who, dict(query.values), assessments.read, assessments.of_drafts)


async def _told(
    services: "Services",
    who: "Practitioner",
    values: dict[str, str],
    read: Read,
    of_drafts: _OfDrafts,
    states: Sequence[State] | None = None,
) -> list[Record]:
    """Return what is told of drafts: by ids, or of a tenant's or a patient's drafts, in some states only."""
    if states is not None and not states:
        return []
    if "patient" in values:
        values["patient"] = reference_of(services, who, values["patient"], "Patient")
    if "_id" in values:
        found = await _with_ids(services, who, values["_id"].split(","), read)
    else:
        found = of_drafts(services, await records.find(services, who.ehr, patient=values.get("patient"), states=states))
    return [record for record in found if matches(record.head, values)]


async def audit_events(services: "Services", who: "Practitioner", query: Query) -> list[Record]:
    """Return an audit trail, oldest first: of a draft, or all that was done and looked at of a patient."""
    values = query.values
    if not values:
        raise _refused("AuditEvent is searched by patient, entity or _id")
    places = [chain_place(ident) for ident in values["_id"].split(",")] if "_id" in values else []
    chains = dict.fromkeys(place[0] for place in places if place is not None)
    if "_id" in values and not chains:
        return []
    patient = reference_of(services, who, values["patient"], "Patient") if "patient" in values else None
    found: list[Record] = []
    for chain in () if "entity" in values else chains:
        with suppress(NotFound):
            found += await trails.of_chain(services, who.ehr, chain)
    with suppress(NotFound):
        if "entity" in values:
            entity = reference_of(services, who, values["entity"], "MedicationRequest", "Patient")
            found = await trails.of_entity(services, who.ehr, entity)
        elif not chains and patient is not None:
            found = await trails.of_patient(services, who.ehr, patient)
    return [one for one in found if _is(one.head.id, values.get("_id")) and _is(one.head.patient, patient)]


async def procedures(services: "Services", who: "Practitioner", query: Query) -> list[Record]:
    """Return what practitioners attested of a patient, the newest assessment first."""
    return await _of_patient(services, who, query, attestations.of_patient, attestations.read)


async def consents(services: "Services", who: "Practitioner", query: Query) -> list[Record]:
    """Return what was recorded here of a patient's consent to AI suggestions."""
    return await _of_patient(services, who, query, recorded_consents.of_patient, recorded_consents.read)


async def _of_patient(
    services: "Services", who: "Practitioner", query: Query, of_patient: _OfPatient, read: Read
) -> list[Record]:
    """Return the records of one type by patient or by id."""
    values = query.values
    if "patient" in values:
        found = await of_patient(services, who.ehr, reference_of(services, who, values["patient"], "Patient"))
    elif "_id" in values:
        found = await _with_ids(services, who, values["_id"].split(","), read)
    else:
        raise _refused(f"{query.kind} is searched by patient or _id")
    return [record for record in found if _is(record.head.id, values.get("_id"))]


async def _with_ids(services: "Services", who: "Practitioner", idents: Sequence[str], read: Read) -> list[Record]:
    found: list[Record] = []
    for ident in idents:
        with suppress(NotFound):
            found.append(await read(services, who.ehr, ident))
    return found


async def _quietly(found: Awaitable[list[Record]]) -> list[Record]:
    """Return what is found, nothing where it does not exist."""
    try:
        return await found
    except NotFound:
        return []


async def _drafts_and_orders(services: "Services", who: "Practitioner", values: Mapping[str, str]) -> list[Record]:
    statuses = values["status"].split(",") if "status" in values else []
    asked = [states_of(status) for status in statuses]
    states: list[State] = [state for state in STATES if any(state in group for group in asked)]
    if statuses and not states:
        return []
    drafts = await records.find(services, who.ehr, patient=values.get("patient"), states=states or None)
    found: list[Record] = []
    for draft in drafts:
        found.append(records.of_draft(draft))
        revoked = draft.state == "revoked"
        if (revoked or draft.state in SIGNED) and (signature := await services.store.signature(draft.id)):
            found.append((records.of_revoked if revoked else records.of_order)(signature))
    return found


def matches(head: Head, values: Mapping[str, str]) -> bool:
    """Say whether a resource has the values asked for; alternatives are separated by commas."""
    return (
        _is(head.id, values.get("_id"))
        and _is(head.patient, values.get("patient"))
        and _is(head.status, values.get("status"))
        and _is(head.intent, values.get("intent"))
        and ("identifier" not in values or _has_identifier(head, values["identifier"]))
    )


def _is(found: str, wanted: str | None) -> bool:
    return wanted is None or found in wanted.split(",")


def _has_identifier(head: Head, wanted: str) -> bool:
    for token in wanted.split(","):
        system, bar, value = token.rpartition("|")
        for held in head.identifier:
            if held.value == value and (not bar or held.system == (system or None)):
                return True
    return False


def reference_of(services: "Services", who: "Practitioner", text: str, *kinds: str) -> str:
    """Return ``Type/id`` of a relative reference or one below the EHR's or our own base; a bare id is of the first."""
    own = f"{services.settings.server.public_url}/fhir/"
    short = text.removeprefix(own)
    if "/" not in short:
        short = f"{kinds[0]}/{short}"
    relative = services.clients[who.ehr].relative(short)
    if relative.partition("/")[0] not in kinds:
        raise _refused(f"the reference must be to a {' or '.join(kinds)}")
    return relative


def _number(text: str | None, default: int, cap: int | None) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise _refused("_count and _offset are whole numbers")
    return int(text) if cap is None else min(int(text), cap)


def _refused(what: str) -> BadRequest:
    return BadRequest("U-FHIR-SEARCH", f"The search cannot be done as written: {what}.")
