"""What a searchset says of itself: whether it is all there is, and several pages as one."""

import json
from typing import Any

import pytest

from service.ehr import pages
from service.errors import EhrFailed

Json = dict[str, Any]
CONDITION = {"resource": {"resourceType": "Condition", "id": "c"}}
INCLUDED = {"resource": {"resourceType": "Medication", "id": "m"}, "search": {"mode": "include"}}


def bundle(**more: Any) -> Json:
    """Return a searchset with these elements."""
    return {"resourceType": "Bundle", "type": "searchset", **more}


def outcome(*issues: Json) -> Json:
    """Return an entry of an OperationOutcome."""
    return {"resource": {"resourceType": "OperationOutcome", "issue": list(issues)}}


INFORMATION = {"severity": "information", "code": "informational"}
WARNING = {"severity": "warning", "code": "processing", "details": {"coding": [{"code": "59204"}]}}
WHOLE: dict[str, Any] = {
    "null": None,
    "no entries": bundle(),
    "a resource alone": {"resourceType": "Patient", "link": [{"type": "seealso"}]},
    "as many as the total": bundle(total=1, entry=[CONDITION]),
    "a total as a decimal": bundle(total=1.0, entry=[CONDITION]),
    "a total of null": bundle(total=None, entry=[CONDITION]),
    "another link": bundle(link=[{"relation": "self", "url": "x"}], entry=[CONDITION]),
    "included beside": bundle(total=1, entry=[CONDITION, INCLUDED]),
    "an outcome that only informs": bundle(entry=[CONDITION, outcome(INFORMATION)]),
    "a whole Bundle inside": bundle(entry=[{"resource": bundle(total=1, entry=[CONDITION])}]),
}
PART: dict[str, Json] = {
    "a next page": bundle(link=[{"relation": "next", "url": "x"}]),
    "a next page in capitals": bundle(link=[{"relation": "Next", "url": "x"}]),
    "less than the total": bundle(total=2, entry=[CONDITION]),
    "less than the total, without a type": {"resourceType": "Bundle", "total": 2, "entry": [CONDITION]},
    "less than the total but for what is included": bundle(total=2, entry=[CONDITION, INCLUDED]),
    "less than the total but for an outcome": bundle(total=2, entry=[CONDITION, outcome(INFORMATION)]),
    "a total as a text": bundle(total="1", entry=[CONDITION]),
    "a total below zero": bundle(total=-1, entry=[CONDITION]),
    "a total of true": bundle(total=True, entry=[CONDITION]),
    "a link of null": bundle(link=None),
    "a link that is no list": bundle(link={"relation": "next"}),
    "a link that is no object": bundle(link=[None]),
    "entries of null": bundle(entry=None),
    "entries that are no list": bundle(entry={}),
    "an entry of null": bundle(entry=[None]),
    "an entry without a resource": bundle(entry=[{"fullUrl": "x"}]),
    "a resource of null": bundle(entry=[{"resource": None}]),
    "a resource without a type": bundle(entry=[{"resource": {"id": "c"}}]),
    "an outcome that warns": bundle(entry=[outcome(WARNING)]),
    "an outcome without an issue": bundle(entry=[outcome()]),
    "an outcome that cannot be read": bundle(entry=[{"resource": {"resourceType": "OperationOutcome", "issue": 1}}]),
    "a message": bundle(type="message"),
    "a part inside": bundle(entry=[{"resource": bundle(total=2, entry=[CONDITION])}]),
}


@pytest.mark.parametrize("value", WHOLE.values(), ids=WHOLE.keys())
def test_a_list_that_says_nothing_against_it_is_whole(value: Any) -> None:
    """Includes and information beside the matches take nothing from a list."""
    assert not pages.in_part(json.dumps(value).encode())


@pytest.mark.parametrize("value", PART.values(), ids=PART.keys())
def test_a_list_that_is_not_known_to_be_whole_is_a_part(value: Json) -> None:
    """A list that tells of more, or of which something cannot be read, is never taken for all there is."""
    assert pages.in_part(json.dumps(value).encode())


def test_a_notice_that_the_ehr_puts_behind_every_answer_takes_nothing_from_it() -> None:
    """A warning that the tenant's profile knows as a notice leaves a list whole."""
    assert not pages.in_part(json.dumps(bundle(entry=[outcome(WARNING)])).encode(), frozenset({"59204"}))


@pytest.mark.parametrize("page", [b"[]", b'{"entry":1}', b'{"total":"2"}'])
def test_a_page_that_is_no_bundle_is_the_ehrs_fault(page: bytes) -> None:
    """Pages are put together only where each of them is one."""
    with pytest.raises(EhrFailed, match="U-EHR-ANSWER"):
        pages.merged([json.dumps(bundle()).encode(), page])
