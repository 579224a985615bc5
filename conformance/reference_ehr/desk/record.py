"""What a chart says in words, in whatever dialect it is: problems, drugs, allergies, scores, results, orders."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance import plain_words as words
from conformance.chart import LATEST, PHQ9
from conformance.reference_ehr import discovery
from conformance.reference_ehr.ehr import ReferenceEhr
from conformance.reference_ehr.parameters import parameter
from conformance.reference_ehr.patients import Person
from conformance.reference_ehr.refusals import Json, not_found
from conformance.reference_ehr.search import search, values

_ORDERS = ("MedicationRequest", "MedicationOrder")  # the second is DSTU2's
_DATES = ("effectiveDateTime", "onsetDateTime", "authoredOn", "dateWritten", "recordedDate", "dateAsserted")
_PERIODS = ("effectivePeriod", "onsetPeriod", "period")
_OVER = frozenset({"stopped", "completed", "cancelled", "entered-in-error", "resolved", "inactive", "remission"})
_SCORES = {PHQ9: "PHQ-9", "70274-6": "GAD-7"}  # LOINC codes of the totals
_SHORT = {**_SCORES, **{code: name for name, codes in LATEST for code in codes.split(",")}}
_SURVEY, _LOINC = "survey", "http://loinc.org"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a chart: what, the words beside it, its day as ISO text ("" when unknown), and whether it is over."""

    what: str
    beside: str
    day: str
    over: bool

    @property
    def when(self) -> str:
        """The day in words."""
        return words.day(self.day or None)


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that was measured, newest value first."""

    what: str
    values: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Order:
    """One order on record; ``origin`` says from where it came when that was not this EHR's own order entry."""

    drug: str
    dose: str
    status: str
    day: str
    by: str
    origin: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the page of a chart shows of the record."""

    problems: Sequence[Entry]
    drugs: Sequence[Entry]
    allergies: Sequence[Entry]
    scores: Sequence[Series]
    results: Sequence[Series]


def person(ehr: ReferenceEhr, patient: str) -> Person:
    """Return one of the EHR's people; refuses with 404."""
    found = next((one for one in ehr.people if one.id == patient), None)
    if found is None:
        raise not_found("patient")
    return found


def chart(ehr: ReferenceEhr, patient: str) -> Chart:
    """Return a patient's chart, newest first in each part."""
    observations = _of(ehr, "Observation", patient)
    return Chart(
        problems=_entries(_of(ehr, "Condition", patient)),
        drugs=_entries(
            _named(ehr, one) for kind in (*_ORDERS, "MedicationStatement") for one in _of(ehr, kind, patient)
        ),
        allergies=_entries(_of(ehr, "AllergyIntolerance", patient)),
        scores=_series(one for one in observations if _codes(one) & _SCORES.keys()),
        results=_series(one for one in observations if not _codes(one) & _SCORES.keys() and not _is_item(one)),
    )


def problems(ehr: ReferenceEhr, patient: str) -> list[tuple[str, str]]:
    """Return the problems that last, as (``Condition/id``, words)."""
    found = _of(ehr, "Condition", patient)
    return [(f"Condition/{one['id']}", _name(one)) for one in found if not _entry(one).over]


def orders(ehr: ReferenceEhr, patient: str) -> list[Order]:
    """Return the orders on record, newest first."""
    found = [_named(ehr, one) for kind in _ORDERS for one in _of(ehr, kind, patient)]
    return sorted((_order(ehr, one) for one in found), key=lambda order: order.day, reverse=True)


def _of(ehr: ReferenceEhr, kind: str, patient: str) -> list[Json]:
    if kind not in discovery.served(ehr.dialect):
        return []
    key = "patient" if parameter(kind, "patient") else "subject"
    return [version.body for version in search(ehr.store, ehr.base, kind, [(key, patient)]).matches]


def _named(ehr: ReferenceEhr, order: Json) -> Json:
    """Return an order with the name of the Medication that it refers to; any other resource as it is."""
    places = ("medicationReference.reference", "medication.reference.reference")
    addresses = [address for place in places for address in values(order, place)]
    found = ehr.store.find(addresses[0]) if addresses else None
    return {**order, "medicationCodeableConcept": found.body.get("code", {})} if found else order


def _entries(resources: Iterable[Json]) -> list[Entry]:
    found = sorted(map(_entry, resources), key=lambda entry: entry.day, reverse=True)
    return sorted(found, key=lambda entry: entry.over)


def _entry(resource: Json) -> Entry:
    state = next(_states(resource), "")
    ended = any(day in resource for day in ("abatementDateTime", "abatementPeriod"))
    beside = _dose(resource) or (words.result(resource) if resource["resourceType"] == "Observation" else "")
    return Entry(_name(resource), beside, _day(resource), state in _OVER or ended)


def _states(resource: Json) -> Iterator[str]:
    """Yield what says whether it lasts: a clinical status, in text or coded as R4 has it, else the status."""
    clinical: Any = resource.get("clinicalStatus")
    if isinstance(clinical, str):
        yield clinical
    elif clinical:
        yield from values(clinical, "coding.code")
    yield str(resource.get("status", ""))


def _series(observations: Iterable[Json]) -> list[Series]:
    gathered: dict[str, list[Entry]] = {}
    for entry in sorted(map(_entry, observations), key=lambda entry: entry.day, reverse=True):
        gathered.setdefault(entry.what, []).append(entry)
    return [Series(what, entries) for what, entries in gathered.items()]


def _order(ehr: ReferenceEhr, resource: Json) -> Order:
    requester: Json = resource.get("requester") or resource.get("prescriber", {})
    found = ehr.store.find(str(requester.get("reference", "")).removeprefix(f"{ehr.base}/"))
    by = words.full_name(found.body) if found else str(requester.get("display", "not named"))
    status = f"{resource.get('status', 'no status')}"
    return Order(_name(resource), _dose(resource), status, words.day(_day(resource)), by, _origin(ehr, resource))


def _origin(ehr: ReferenceEhr, order: Json) -> str:
    """Say that an app wrote the order, where it names a draft, and whether the signature's record came with it."""
    if not order.get("basedOn"):
        return ""
    target = f"MedicationRequest/{order['id']}"
    signed = search(ehr.store, ehr.base, "Provenance", [("target", target)]).matches
    return "Written by Undersign after signature" + (", with its Provenance" if signed else ", no Provenance yet")


def _name(resource: Json) -> str:
    if resource["resourceType"].startswith("Medication"):
        return words.drug(resource)
    concept: Json = resource.get("code") or resource.get("substance", {})  # the second is DSTU2's
    short = next((name for code, name in _SHORT.items() if code in _codes(resource)), "")
    return (short.capitalize() if short.islower() else short) or words.concept(concept)


def _dose(resource: Json) -> str:
    lines = [*resource.get("dosageInstruction", []), *resource.get("dosage", [])]
    return "; ".join(str(line["text"]) for line in lines if "text" in line)


def _day(resource: Json) -> str:
    periods = (resource[name].get("start") for name in _PERIODS if name in resource)
    days = (*(resource[name] for name in _DATES if name in resource), *periods)
    return next((str(day)[:10] for day in days if day), "")


def _codes(observation: Json) -> set[str]:
    codings: list[Json] = observation.get("code", {}).get("coding", [])
    return {coding.get("code", "") for coding in codings if coding.get("system") == _LOINC}


def _is_item(observation: Json) -> bool:
    """Say whether it is one answer of a questionnaire: the chart shows totals."""
    return _SURVEY in set(values(observation, "category.coding.code"))
