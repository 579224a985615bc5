"""Any JSON in any place of a prefetch value, through the hook: it is read, refused or named, and never passed over."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.cds import discovery
from tests.fixtures import prefetch
from tests.integration import running
from tests.property.test_openapi import ANY_JSON, FUZZED, client

__all__ = ["client"]
LISTS = {one.key: one.holds for one in discovery.service("psychotropic-options").templates if one.key != "patient"}
PLACES: Sequence[tuple[str | int, ...]] = (
    (),
    ("resourceType",),
    ("type",),
    ("total",),
    ("link",),
    ("link", 0),
    ("link", 0, "relation"),
    ("link", 0, "url"),
    ("entry",),
    ("entry", 0),
    ("entry", 0, "fullUrl"),
    ("entry", 0, "search"),
    ("entry", 0, "search", "mode"),
    ("entry", 0, "resource"),
    ("entry", 0, "resource", "resourceType"),
    ("entry", 0, "resource", "id"),
)
LIKELY = st.sampled_from(
    ["next", "Next", "Bundle", "OperationOutcome", "Parameters", "searchset", "message", 2, 1.5, -1]
)


def whole(drug: dict[str, str]) -> dict[str, Any]:
    """Return a searchset that holds an allergy to a drug and has every part that a searchset may have."""
    whose = {"reference": f"Patient/{prefetch.PATIENT}"}
    allergy = {"resourceType": "AllergyIntolerance", "id": "a", "patient": whose, "code": {"coding": [drug]}}
    entry = {"fullUrl": f"{running.BASE}/AllergyIntolerance/a", "resource": allergy, "search": {"mode": "match"}}
    link = [{"relation": "self", "url": f"{running.BASE}/AllergyIntolerance"}]
    return deepcopy({"resourceType": "Bundle", "type": "searchset", "total": 1, "link": link, "entry": [entry]})


def put(value: Any, place: Sequence[str | int], new: Any) -> Any:
    """Return a value with ``new`` in one place of it."""
    if not place:
        return new
    inside: Any = value
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = new
    return value


def none_on_record(value: Any) -> bool:
    """Say whether a value tells in so many words that there is nothing: null, or a list without entries and more."""
    if value is None:
        return True
    plain = isinstance(value, dict) and value.get("resourceType") == "Bundle" and value.get("type") != "message"
    if plain and _leads_nowhere(value) and all(map(_is_empty, value.get("entry", []))):
        return value.get("total", 0) in (0, len(value.get("entry", [])))
    return False


def _is_empty(entry: Any) -> bool:
    """Say whether an entry is a list itself, which holds nothing."""
    held = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(held, dict) or held.get("resourceType") not in ("Bundle", "Parameters"):
        return False
    return not held.get("entry") and not held.get("parameter")


def _leads_nowhere(bundle: dict[str, Any]) -> bool:
    links = bundle.get("link", [])
    plain = isinstance(links, list) and isinstance(bundle.get("entry", []), list)
    return plain and all(isinstance(one, dict) and one.get("relation") == "self" for one in links)


@pytest.fixture(scope="module")
def drug(client: TestClient) -> dict[str, str]:
    """The coding of a drug that is offered to this patient where no allergy is on record."""
    (card,) = call(client, prefetch.bundle()).json()["cards"]
    resource = card["suggestions"][0]["actions"][0]["resource"]
    return dict(resource["medicationCodeableConcept"]["coding"][-1])


def call(client: TestClient, allergies: Any) -> Any:
    """Return the answer to a call with these allergies."""
    return client.post(running.PATH, json=prefetch.request(prefetch=prefetch.values() | {"allergies": allergies}))


def offered(answer: Any, drug: dict[str, str]) -> bool:
    """Say whether a drug is among the suggestions."""
    cards = answer.json()["cards"]
    return any(drug["display"] in one["label"] for card in cards for one in card.get("suggestions", []))


def test_the_allergy_of_these_examples_keeps_its_drug_from_being_offered(
    client: TestClient, drug: dict[str, str]
) -> None:
    """The drug is offered where nothing speaks against it, and not once the allergy is read."""
    assert offered(call(client, prefetch.bundle()), drug)
    assert not offered(call(client, whole(drug)), drug)


@FUZZED
@given(place=st.sampled_from(PLACES), new=LIKELY | ANY_JSON)
def test_a_list_in_any_shape_is_read_refused_or_named(
    client: TestClient, drug: dict[str, str], place: Sequence[str | int], new: Any
) -> None:
    """Where an allergy that was sent is not read, the call is refused or the card says that allergies lack."""
    value = put(whole(drug), place, new)
    note(repr(value))
    answer = call(client, value)
    assert answer.status_code in (200, 400, 412), answer.text
    if answer.status_code == 200 and not none_on_record(value):
        (card,) = answer.json()["cards"]
        not_known = card["detail"].partition("**Not known:**")[2].partition("\n\n")[0]
        assert "allerg" in not_known or not offered(answer, drug)


@FUZZED
@given(key=st.sampled_from(sorted(LISTS)), new=ANY_JSON, place=st.sampled_from(PLACES[:9]))
def test_no_shape_of_any_list_breaks_a_call(client: TestClient, key: str, new: Any, place: Sequence[str | int]) -> None:
    """Whatever stands in place of a list, of its total, links or entries, the answer is a card or a named refusal."""
    value = put(prefetch.bundle() | {"link": [{"relation": "self", "url": "x"}]}, place, new)
    answer = client.post(running.PATH, json=prefetch.request(prefetch=prefetch.values() | {key: value}))
    assert answer.status_code in (200, 400, 412), answer.text
