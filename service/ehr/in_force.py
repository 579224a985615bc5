"""Whether an EHR shows an order in force: active, of the same drug, at the same daily dose.

The EHR writes orders in its own words and codes, so drug and dose are compared as the adapters read them. What they
cannot read is no match and no difference; where a second order would be the harm, it is no comfort either.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isclose
from typing import Any, Final, Literal, cast

import msgspec

from fhir_adapters.canonical import MedicationCourse
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.medication import proposed
from fhir_adapters.reading import strict_json
from fhir_adapters.survey import searches
from fhir_adapters.survey.wanted import Template
from service.drafts.records import Draft
from service.ehr import entries, follow_up
from service.ehr.client import EhrClient
from service.ehr.readback import differs_in, read_resource
from service.ehr.transport import EhrRefused
from service.errors import Conflict

SCOPE: Final = "system/MedicationRequest.rs system/Medication.r"
UNKNOWN: Final = "U-ORDER-UNKNOWN"
_SEARCH: Final = "MedicationRequest?patient={{{{context.patientId}}}}&status={}&_count=100"
_KINDS: Final = ("MedicationRequest", "MedicationOrder")
_NO_ORDERS: Final = ("proposal", "option")
_WAITING: Final = ("draft", "on-hold", "unknown", None)
_SAME: Final = frozenset({"medication", "dose", "subject", "reported", "doNotPerform", "modifierExtension"})
_ORDERS: Final = (None, "order", "original-order", "reflex-order", "filler-order", "instance-order")
_MEDICATIONS_S: Final = 5.0
# Clocks of two systems, and days that are written without a zone.
_SKEW: Final = timedelta(minutes=5)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
# When an order was made, seen from the draft; ``unknown`` is not before it.
Made = Literal["after", "that-day", "before", "unknown"]


@dataclass(frozen=True, slots=True)
class Found:
    """What the EHR shows: the order as decided on, or another one in its place, differing in ``fields``."""

    ending: Literal["confirmed", "superseded"]
    fields: tuple[str, ...] = ()


async def as_written(client: EhrClient, reference: str, signed: bytes) -> "Found | Literal['elsewhere'] | None":
    """Read the order that this service wrote; None while it waits, ``elsewhere`` where the EHR no longer has it.

    EhrFailed where the EHR cannot say.
    """
    try:
        held = await client.authorised(SCOPE, lambda token: client.read(reference, token))
    except EhrRefused as error:
        if error.http_status in (404, 410):
            return "elsewhere"
        raise
    status = read_resource(held).get("status")
    if status in _WAITING:
        return None
    fields = differs_in(signed, held, client.ehr.fhir_base, _SAME)
    if status not in ("active", "completed"):
        return Found("superseded", tuple(sorted((*fields, "status"))))
    return Found("superseded", fields) if fields else Found("confirmed")


async def among(client: EhrClient, profile: Profile, draft: Draft, order: bytes) -> Found | None:
    """Search the patient's active orders for one of the same drug, made after the draft; None for none.

    InputError, EhrFailed or Conflict U-ORDER-UNKNOWN where the EHR's answer cannot be had, read or compared.
    """
    looked = await _look(client, profile, draft, order, ("active",), lambda one: _may_be_it(one, draft.created))
    return _compared(looked)


async def doubled(
    client: EhrClient, profile: Profile, draft: Draft, order: bytes
) -> Literal["exists", "unclear"] | None:
    """Say whether the EHR has an order of the same drug, at any dose, that is not known to be older than the draft.

    One on hold and one that is only planned count, and where drafts are written a draft. ``unclear`` is one of an
    unknown time, or of a drug that cannot be read. Errors as ``among``.
    """
    statuses = ("active", "on-hold", *(("draft",) if client.ehr.write_back == "unsigned-order" else ()))
    looked = await _look(client, profile, draft, order, statuses, lambda one: _may_double(one, draft.created, statuses))
    ours = {draft.ingredient, *(name for one in looked.mine.values() for name in one.ingredients)}
    told = {_doubles(looked.theirs.get(name), ours, made) for name, made in looked.made.items()}
    return "exists" if "exists" in told else "unclear" if "unclear" in told else None


@dataclass(frozen=True, slots=True)
class _Looked:
    """Our order and those that may be it, as the adapters read them; when each of the latter was made."""

    mine: Mapping[str, MedicationCourse]
    theirs: Mapping[str, MedicationCourse]
    made: Mapping[str, Made]


async def _look(
    client: EhrClient,
    profile: Profile,
    draft: Draft,
    order: bytes,
    statuses: Sequence[str],
    counts: Callable[[Mapping[str, Any]], bool],
) -> _Looked:
    patient = draft.patient.removeprefix("Patient/")
    search = Template("medications", _SEARCH.format(",".join(statuses)), required=True, holds="orders")
    asked = searches.request(search, patient, profile)
    if asked is None:
        raise Conflict(UNKNOWN, "this EHR's profile says that its orders cannot be searched; look in the EHR")
    query, post = asked.query, asked.post
    pages = await client.authorised(SCOPE, lambda token: client.search(query, token, post=post))
    held = entries.resources(pages)
    orders = [one for one in held if counts(one)]
    others = [one for one in held if one.get("resourceType") == "Medication"]
    # The adapters leave out what is on hold, so whatever counts is read as if it were active.
    whole = {"medications": _bundle([*({**one, "status": "active"} for one in orders), *others])}
    token = await client.backend_token(SCOPE)
    whole |= await follow_up.with_medications(whole, client, token, profile.follow_up, _MEDICATIONS_S)
    mine = _courses(_bundle([read_resource(order)]), patient, profiles.load("base-r4"))
    if not any(one.ingredients for one in mine.values()):
        raise Conflict(UNKNOWN, "the drug of this order cannot be read, so it cannot be looked for; look in the EHR")
    made: dict[str, Made] = {f"{one.get('resourceType')}/{one.get('id')}": _made(one, draft.created) for one in orders}
    return _Looked(mine, _of_patient(whole["medications"], patient, profile), made)


def _of_patient(bundle: bytes, patient: str, profile: Profile) -> Mapping[str, MedicationCourse]:
    """Read the EHR's orders; another patient's among them may be this one's, under the record that replaced theirs."""
    try:
        return _courses(bundle, patient, profile)
    except InputError as error:
        if error.code != "U-PATIENT-MISMATCH":
            raise
        msg = "the EHR answers with orders of another patient's record, merged with this one perhaps; look in the EHR"
        raise Conflict(UNKNOWN, msg) from error


def _doubles(theirs: MedicationCourse | None, ours: set[str], made: Made) -> Literal["exists", "unclear"] | None:
    if theirs is not None and theirs.ingredients:
        same = not ours.isdisjoint(theirs.ingredients)
        return ("unclear" if made == "unknown" else "exists") if same else None
    return "unclear"


def _compared(looked: _Looked) -> Found | None:
    wanted = next(iter(looked.mine.values()))
    same = {name: one for name, one in looked.theirs.items() if one.ingredients == wanted.ingredients}
    doses = {name: one.dose_mg_per_day for name, one in same.items() if one.dose_mg_per_day is not None}
    if same and (wanted.dose_mg_per_day is None or not doses):
        raise Conflict(UNKNOWN, "an active order of this drug has a dose that cannot be compared; look in the EHR")
    if any(isclose(dose, wanted.dose_mg_per_day or 0.0, rel_tol=1e-6) for dose in doses.values()):
        return Found("confirmed")
    # An order of that day, of unknown hour, may have been there before: it only ever confirms.
    return Found("superseded", ("dose",)) if any(looked.made.get(name) == "after" for name in doses) else None


def _courses(bundle: bytes, patient: str, profile: Profile) -> dict[str, MedicationCourse]:
    strict_json.check(bundle)
    orders, _ = proposed.read(bundle, patient, profile)
    return {one.reference: one.course for one in orders}


def _may_be_it(resource: Mapping[str, Any], since: datetime) -> bool:
    """Say whether a resource is an active order of after the draft."""
    order = resource.get("status") == "active" and resource.get("intent") in _ORDERS
    void = resource.get("reportedBoolean") is True or resource.get("doNotPerform") is True
    return order and not void and _made(resource, since) in ("after", "that-day")


def _may_double(resource: Mapping[str, Any], since: datetime, statuses: Sequence[str]) -> bool:
    """Say whether a resource is an order, by whatever intent, that stands and may be of after the draft."""
    stands = resource.get("status") in (*statuses, "unknown", None)
    order = resource.get("resourceType") in _KINDS and resource.get("intent") not in _NO_ORDERS
    return order and stands and resource.get("doNotPerform") is not True and _made(resource, since) != "before"


def _made(resource: Mapping[str, Any], since: datetime) -> Made:
    """Say when an order was made; one that does not say was there before where it has not changed since."""
    found = _against(resource.get("authoredOn") or resource.get("dateWritten"), since)
    meta = resource.get("meta")
    if found == "unknown" and isinstance(meta, dict):
        changed = _against(cast("dict[str, Any]", meta).get("lastUpdated"), since)
        return "before" if changed == "before" else "unknown"
    return found


def _against(written: object, since: datetime) -> Made:
    try:
        made = datetime.fromisoformat(str(written))
    except ValueError:
        return "unknown"
    if made.tzinfo is None:
        return "that-day" if made.date() >= (since - timedelta(days=1)).date() else "before"
    return "after" if made >= since - _SKEW else "before"


def _bundle(resources: list[dict[str, Any]]) -> bytes:
    entries = [{"resource": one} for one in resources]
    return _ENCODER.encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})
