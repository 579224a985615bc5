"""What an order may have is what its signer is shown: the allow-list, walked element by element."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fhir_adapters.errors import UndersignError
from service.drafts.canonical_json import dumps, load_object, loads
from service.drafts.order import dosage_words, dosages, order_elements
from service.drafts.order.order_elements import ALLOWED, CARRIED, EDITED, SAID
from service.drafts.signature import order_gate, orders
from service.errors import Unprocessable
from service.web import words
from tests.contract import samples

UCUM = "http://unitsofmeasure.org"
CODING = {"system": "http://example.org/codes", "code": "one", "display": "One"}


def mg(value: object) -> dict[str, Any]:
    """Return a dose."""
    return {"value": value, "unit": "mg", "system": UCUM, "code": "mg"}


def days(value: object) -> dict[str, Any]:
    """Return a duration."""
    return {"value": value, "unit": "days", "system": UCUM, "code": "d"}


def full(dose: dict[str, Any], needed: dict[str, Any], bounds: dict[str, Any], often: dict[str, Any]) -> dict[str, Any]:
    """Return an order with every element, of each choice the one that is given."""
    order = samples.resource(
        meta={"profile": ["http://example.org/profile"], "security": [CODING]},
        status="active",
        intent="order",
        requester={"reference": "Practitioner/p1", "display": "Dr Example"},
        authoredOn="2026-11-22T10:42:00.000Z",
        identifier=[{"system": "http://example.org/orders", "value": "number-1"}],
        basedOn=[{"reference": "https://undersign.example/fhir/MedicationRequest/d/_history/1"}],
        reasonCode=[{"text": "Major depressive disorder", "coding": [CODING]}],
        reasonReference=[{"reference": "Condition/c", "display": "Depression"}],
        supportingInformation=[{"reference": "Observation/o"}],
        note=[{"text": "with food", "authorReference": {"reference": "Practitioner/p2"}}],
        dispenseRequest={
            "quantity": {"value": 28, "unit": "tablet", "system": "urn:x", "code": "tab"},
            "expectedSupplyDuration": days(28),
            "numberOfRepeatsAllowed": 0,
            "validityPeriod": {"start": "2026-11-22", "end": "2026-12-22"},
        },
    )
    timing = {"repeat": {"period": 1, "periodUnit": "d", **often, **bounds}}
    order["dosageInstruction"][0] |= {"sequence": 1, "route": {"text": "by mouth", "coding": [CODING]}}
    order["dosageInstruction"][0] |= {"timing": timing, "doseAndRate": [dose], **needed}
    return load_object(dumps(order))


FULL = [
    full(
        {"doseQuantity": mg(50)},
        {"asNeededBoolean": True},
        {"boundsPeriod": {"start": "2026-11-22", "end": "2026-12-22"}},
        {"frequency": 1, "when": ["HS"]},
    ),
    full(
        {"doseRange": {"low": mg(25), "high": mg(50)}},
        {"asNeededCodeableConcept": {"text": "anxiety"}},
        {"boundsDuration": days(14)},
        {"frequency": 1, "frequencyMax": 2},
    ),
]
_DOSE = "dosageInstruction"
_REPEAT = f"{_DOSE}.timing.repeat"
_RATE = f"{_DOSE}.doseAndRate"
_SUPPLY = "dispenseRequest"
# Another value that an order may have there.
OTHER: dict[str, object] = {
    "note.text": "without food",
    "note.authorReference.reference": "Practitioner/p3",
    f"{_DOSE}.text": "as written elsewhere",
    f"{_DOSE}.sequence": 2,
    f"{_DOSE}.asNeededCodeableConcept.text": "panic",
    f"{_REPEAT}.frequency": 2,
    f"{_REPEAT}.frequencyMax": 4,
    f"{_REPEAT}.period": 2,
    f"{_REPEAT}.periodUnit": "wk",
    f"{_REPEAT}.when": "MORN",
    f"{_REPEAT}.boundsPeriod.start": "2026-11-23",
    f"{_REPEAT}.boundsPeriod.end": "2026-12-23",
    f"{_REPEAT}.boundsDuration.value": 15,
    f"{_REPEAT}.boundsDuration.unit": "d",
    f"{_RATE}.doseQuantity.value": Decimal("50.5"),
    f"{_RATE}.doseRange.low.value": 20,
    f"{_RATE}.doseRange.high.value": 75,
    f"{_SUPPLY}.numberOfRepeatsAllowed": 1,
    f"{_SUPPLY}.validityPeriod.start": "2026-11-23",
    f"{_SUPPLY}.validityPeriod.end": "2026-12-23",
    f"{_SUPPLY}.quantity.value": 29,
    f"{_SUPPLY}.quantity.unit": "bottle",
    f"{_SUPPLY}.quantity.system": "urn:y",
    f"{_SUPPLY}.quantity.code": "box",
    f"{_SUPPLY}.expectedSupplyDuration.value": 29,
    f"{_SUPPLY}.expectedSupplyDuration.unit": "day",
}
# What has one value only, with the words beside it as they are.
_UNITS = ("unit", "system", "code")
FIXED = {
    f"{_DOSE}.asNeededBoolean",
    f"{_REPEAT}.boundsDuration.system",
    f"{_REPEAT}.boundsDuration.code",
    f"{_SUPPLY}.expectedSupplyDuration.system",
    f"{_SUPPLY}.expectedSupplyDuration.code",
    *(f"{_RATE}.{dose}.{name}" for dose in ("doseQuantity", "doseRange.low", "doseRange.high") for name in _UNITS),
}


def visible(order: dict[str, Any]) -> list[words.Line]:
    """Return the order's lines on the page."""
    return words.order_lines(dumps(order))


def checked(order: dict[str, Any]) -> bool:
    """Say whether an order may be signed; any other error than a refusal is one."""
    try:
        order_gate.check_order(order, "Patient/example")
    except Unprocessable:
        return False
    return True


def places(value: object, path: str = "") -> Iterator[tuple[str, Callable[[object], None]]]:
    """Yield the path of every element with what puts another value in its place."""
    if isinstance(value, dict):
        found = cast(dict[str, object], value)
        for name, child in list(found.items()):
            below = f"{path}.{name}" if path else name
            yield below, lambda new, name=name: found.__setitem__(name, new)
            yield from places(child, below)
    if isinstance(value, list):
        members = cast(list[object], value)
        for place, child in enumerate(list(members)):
            yield path, lambda new, place=place: members.__setitem__(place, new)
            yield from places(child, path)


def with_other(path: str, new: object) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the full orders that have a leaf at ``path``, each as it is and with another value there."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for order in FULL:
        changed = deepcopy(order)
        leaves = {path for path, _ in order_elements.leaves(order)}
        puts = [put for at, put in places(changed) if at == path]
        if path in leaves:
            puts[-1](new)
            found.append((order, changed))
    return found


def test_the_full_orders_have_every_allowed_element_and_may_be_signed() -> None:
    """Between them the samples here hold the whole allow-list and nothing beside it, and pass the gate."""
    assert {path for order in FULL for path, _ in order_elements.leaves(order)} == ALLOWED
    assert OTHER.keys() | FIXED == EDITED
    for order in FULL:
        order_gate.check_order(order, "Patient/example")


@pytest.mark.parametrize("path", sorted(OTHER))
def test_what_a_signer_may_edit_changes_the_words(path: str) -> None:
    """Another value of each element that an edit may have is another line on the page, and may be signed."""
    found = with_other(path, OTHER[path])
    assert any(checked(changed) for _, changed in found)
    for order, changed in found:
        assert not checked(changed) or visible(changed) != visible(order)


@pytest.mark.parametrize("path", sorted(one for one in OTHER if one.startswith(_DOSE) and one != f"{_DOSE}.text"))
def test_what_a_dosage_may_have_is_in_its_text(path: str) -> None:
    """The text that is written of a dosage changes with each element of it."""
    for order, changed in with_other(path, OTHER[path]):
        before, after = (dosage_words.text(one[_DOSE][0]) for one in (order, changed))
        assert not checked(changed) or before != after


@pytest.mark.parametrize("path", sorted(FIXED))
@pytest.mark.parametrize("new", [False, "g", "ug", "tablets", "wk", "months", "d", "urn:other", 1, None, [], {}])
def test_a_unit_says_what_its_code_says(path: str, new: object) -> None:
    """A unit, code or system that contradicts the others beside it is refused."""
    for order, changed in with_other(path, new):
        assert not checked(changed) or dumps(changed) == dumps(order)


@pytest.mark.parametrize("path", sorted((SAID | CARRIED) - {"resourceType", "status", "intent", "subject.reference"}))
def test_what_the_draft_gives_is_shown_too(path: str) -> None:
    """What no edit changes stands in the words of the order or below them."""
    new = "2026-11-22T10:42:00.001Z" if path == "authoredOn" else "Practitioner/other"
    for order, changed in with_other(path, new):
        before, after = ([*visible(one), *words.carried(dumps(one))] for one in (order, changed))
        assert before != after


def test_what_no_edit_changes_cannot_be_edited() -> None:
    """The elements that are not said in words are refused as an edit, one by one."""
    draft = samples.held_draft(**{name: value for name, value in FULL[0].items() if name != "note"})
    drafted = load_object(draft.resource)
    for path in sorted(SAID | CARRIED):
        for at, put in places(changed := deepcopy(drafted)):
            if at == path:
                put("Practitioner/other")
        assert changed != drafted, path
        if path.startswith("meta"):  # a server's own metadata is not read from an edit
            assert orders.edited(draft, dumps(changed), "Practitioner/p1") is None
            continue
        with pytest.raises(Unprocessable) as caught:
            orders.edited(draft, dumps(changed), "Practitioner/p1")
        assert caught.value.code == "U-ORDER-FIELD", path


UNSEEN: dict[str, tuple[str, object]] = {
    "an abbreviation beside the times": (f"{_DOSE}.timing.code", {"text": "QID"}),
    "moments of their own": (f"{_DOSE}.timing.event", ["2026-11-23T08:00:00Z"]),
    "an instruction beside the dose": (f"{_DOSE}.additionalInstruction", [{"text": "Double the dose each day"}]),
    "an instruction to the patient": (f"{_DOSE}.patientInstruction", "Take eight tablets at once"),
    "a most at a time": (f"{_DOSE}.maxDosePerAdministration", mg(5000)),
    "a most in a period": (f"{_DOSE}.maxDosePerPeriod", {"numerator": mg(5000), "denominator": days(1)}),
    "a most in a life": (f"{_DOSE}.maxDosePerLifetime", mg(5000)),
    "a method": (f"{_DOSE}.method", {"text": "inject"}),
    "a site": (f"{_DOSE}.site", {"text": "left arm"}),
    "an extension of the dosage": (f"{_DOSE}.extension", [{"url": "http://example.org/x", "valueString": "ten times"}]),
    "an extension of its text": (
        f"{_DOSE}._text",
        {"extension": [{"url": "http://example.org/x", "valueString": "y"}]},
    ),
    "an extension of the number": (f"{_RATE}.doseQuantity._value", {"id": "x"}),
    "an extension of the dose": (f"{_RATE}.doseQuantity.extension", [{"url": "http://example.org/x"}]),
    "a comparator": (f"{_RATE}.doseQuantity.comparator", ">="),
    "a type of dose": (f"{_RATE}.type", {"text": "calculated"}),
    "a rate": (f"{_RATE}.rateQuantity", mg(1)),
    "a second dose": (f"{_RATE}.doseRange", {"low": mg(1), "high": mg(500)}),
    "a longest pause": (f"{_REPEAT}.periodMax", 3),
    "a count": (f"{_REPEAT}.count", 1),
    "a most counted": (f"{_REPEAT}.countMax", 5),
    "how long it is given": (f"{_REPEAT}.duration", 5),
    "days of the week": (f"{_REPEAT}.dayOfWeek", ["mon"]),
    "times of the day": (f"{_REPEAT}.timeOfDay", ["08:00:00"]),
    "minutes before": (f"{_REPEAT}.offset", 30),
    "a range of times": (f"{_REPEAT}.boundsRange", {"low": days(1)}),
    "two kinds of bounds": (f"{_REPEAT}.boundsDuration", days(7)),
    "two kinds of need": (f"{_DOSE}.asNeededCodeableConcept", {"text": "panic"}),
    "a code of the need": (f"{_DOSE}.asNeededCodeableConcept", {"coding": [CODING]}),
    "a first fill": (f"{_SUPPLY}.initialFill", {"quantity": {"value": 500, "unit": "tablet"}}),
    "a pause between fills": (f"{_SUPPLY}.dispenseInterval", {"value": 1, "unit": "h", "system": UCUM, "code": "h"}),
    "who dispenses": (f"{_SUPPLY}.performer", {"reference": "Organization/o"}),
    "a comparator of the supply": (f"{_SUPPLY}.quantity.comparator", ">"),
    "a time of a note": ("note.time", "2999-01-01"),
    "a name of a note's author": ("note.authorString", "somebody"),
    "a substitution": ("substitution", {"allowedBoolean": True}),
    "something empty": (f"{_DOSE}.timing.event", []),
    "something null": (f"{_REPEAT}.frequencyMax", None),
}


@pytest.mark.parametrize("unseen", sorted(UNSEEN))
def test_what_is_not_shown_is_not_signed(unseen: str) -> None:
    """Every other element of a dose, a supply or a note, and every extension, is refused."""
    path, value = UNSEEN[unseen]
    above, _, name = path.rpartition(".")
    changed = deepcopy(FULL[0])
    found: Any = changed
    for step in above.split(".") if above else []:
        found = found[step][0] if isinstance(found[step], list) else found[step]
    found[name] = value
    with pytest.raises(Unprocessable):
        order_gate.check_order(load_object(dumps(changed)), "Patient/example")


def test_a_refused_element_is_named_and_its_value_is_not() -> None:
    """The message of U-ORDER-ELEMENT has the path, never what stands there."""
    changed = deepcopy(FULL[0])
    changed[_DOSE][0]["patientInstruction"] = "secret"
    with pytest.raises(Unprocessable) as caught:
        order_gate.check_order(changed, "Patient/example")
    assert caught.value.code == "U-ORDER-ELEMENT"
    assert "dosageInstruction.patientInstruction" in caught.value.message
    assert "secret" not in str(caught.value)


_JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(10**70), 10**70)
    | some.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40)
    | some.text(max_size=6)
    | some.sampled_from(["mg", "g", "d", "wk", "HS", "MORN", "2026-11-23", UCUM, "tablets", "Practitioner/p9"]),
    lambda inner: (
        some.lists(inner, max_size=2) | some.dictionaries(some.sampled_from(["value", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_EDITABLE = tuple(
    sorted({path for order in FULL for path, _ in places(order) if path.startswith((_DOSE, _SUPPLY, "note"))})
)


@given(order=some.sampled_from(FULL), path=some.sampled_from(_EDITABLE), new=_JSON)
def test_whatever_stands_in_an_order_is_refused_or_seen(order: dict[str, Any], path: str, new: object) -> None:
    """Any JSON in any place of what a signer may edit is refused by its code, or it is on the page."""
    changed = deepcopy(order)
    for at, put in reversed(list(places(changed))):
        if at == path:
            put(new)
            break
    try:
        after = load_object(dumps(changed))
        order_gate.check_order(after, "Patient/example")
    except UndersignError:
        return
    shown = [[*visible(one), *words.carried(dumps(one))] for one in (order, after)]
    assert dumps(after) == dumps(order) or shown[0] != shown[1]


@given(path=some.sampled_from(_EDITABLE), new=_JSON, order=some.sampled_from(FULL))
def test_no_edit_makes_the_service_stumble(path: str, new: object, order: dict[str, Any]) -> None:
    """Any JSON in any place of an edit is taken or refused by its code."""
    draft = samples.held_draft(**{name: order[name] for name in (_DOSE, _SUPPLY)})
    changed = {**load_object(draft.resource), "note": deepcopy(order["note"])}
    for at, put in places(changed):
        if at == path:
            put(new)
            break
    try:
        edit = dumps(changed)
        orders.prepare(draft, edit, samples.practitioner(), samples.EHR, samples.PUBLIC_URL, samples.START)
    except UndersignError:
        return


@pytest.mark.parametrize(
    ("path", "raw", "passes"),
    [
        (f"{_RATE}.doseQuantity.value", "0.000001", True),
        (f"{_RATE}.doseQuantity.value", "0.0000001", False),
        (f"{_RATE}.doseQuantity.value", "999999", True),
        (f"{_RATE}.doseQuantity.value", "1000000", False),
        (f"{_RATE}.doseQuantity.value", "1e60", False),
        (f"{_RATE}.doseQuantity.value", "5E+1", True),
        (f"{_RATE}.doseQuantity.value", f"50.{'0' * 3000}1", False),
        (f"{_REPEAT}.frequency", "1" + "0" * 30, False),
        (f"{_REPEAT}.frequency", "1.0", False),
        (f"{_REPEAT}.frequency", "0.5", False),
        (f"{_REPEAT}.period", f"0.{'0' * 59}1", False),
        (f"{_SUPPLY}.expectedSupplyDuration.value", "1" + "0" * 30, False),
        (f"{_SUPPLY}.quantity.value", "1" + "0" * 30, False),
        (f"{_SUPPLY}.numberOfRepeatsAllowed", "1" + "0" * 30, False),
        (f"{_SUPPLY}.numberOfRepeatsAllowed", "1.5", False),
    ],
)
def test_numbers_are_bounded_in_size_and_digits(path: str, raw: str, passes: bool) -> None:
    """A number from a millionth to below a million with six decimals passes; any other is refused as U-ORDER-DOSE."""
    ((_, changed),) = [pair for pair in with_other(path, loads(raw.encode())) if pair[0] is FULL[0]]
    draft = samples.held_draft(**{name: FULL[0][name] for name in (_DOSE, _SUPPLY)})
    edit = dumps({**load_object(draft.resource), _DOSE: changed[_DOSE], _SUPPLY: changed[_SUPPLY]})
    if passes:
        prepared = orders.prepare(draft, edit, samples.practitioner(), samples.EHR, samples.PUBLIC_URL, samples.START)
        assert prepared.version == (1 if raw == "5E+1" else 2)
        return
    with pytest.raises(Unprocessable) as caught:
        orders.prepare(draft, edit, samples.practitioner(), samples.EHR, samples.PUBLIC_URL, samples.START)
    assert caught.value.code == "U-ORDER-DOSE"


@pytest.mark.parametrize(
    ("changes", "words_"),
    [
        ({"frequency": 1, "frequencyMax": 4}, "50 mg by mouth 1 to 4 times every day"),
        (
            {"frequency": 2, "when": ["MORN", "HS"]},
            "50 mg by mouth 2 times every day in the morning and before going to sleep",
        ),
        ({"period": Decimal("1.5"), "periodUnit": "wk"}, "50 mg by mouth once every 1.5 weeks"),
        ({"boundsDuration": days(7)}, "50 mg by mouth once every day for 7 days"),
        ({"boundsPeriod": {"end": "2026-12-01"}}, "50 mg by mouth once every day until 2026-12-01"),
    ],
)
def test_the_words_of_a_dose_say_what_is_judged(changes: dict[str, Any], words_: str) -> None:
    """How often, when and until when stand in the text as the rules count them."""
    found = samples.dosage(50)
    found["timing"]["repeat"] |= changes
    dosages.check([found])
    assert dosage_words.text(found) == words_


@pytest.mark.parametrize(
    "repeat",
    [
        {"frequency": 2, "when": ["HS"]},
        {"frequency": 1, "when": ["MORN", "HS"]},
        {"frequency": 2, "when": ["HS", "HS"]},
        {"frequency": 1, "when": ["QID"]},
        {"frequency": 1, "when": []},
        {"frequency": 1, "frequencyMax": 2, "when": ["HS"]},
        {"frequency": 1, "periodUnit": "h", "when": ["HS"]},
        {"frequency": 4, "frequencyMax": 1},
        {"periodUnit": ["d"]},
        {"boundsDuration": {"value": 7, "unit": "months", "system": UCUM, "code": "d"}},
        {"boundsDuration": {"value": 7, "unit": "days"}},
    ],
)
def test_times_that_contradict_each_other_are_refused(repeat: dict[str, Any]) -> None:
    """Moments, how often and for how long must say one thing."""
    found = samples.dosage(50)
    found["timing"]["repeat"] |= repeat
    with pytest.raises(Unprocessable) as caught:
        order_gate.check_order({**FULL[0], _DOSE: [found]}, "Patient/example")
    assert caught.value.code in ("U-ORDER-DOSE", "U-ORDER-INVALID", "U-ORDER-ELEMENT")


@pytest.mark.parametrize(("low", "high", "passes"), [(25, 50, True), (50, 50, True), (100, 50, False)])
def test_a_range_goes_up(low: int, high: int, passes: bool) -> None:
    """A range whose low end is above its high end is refused; both ends are in the words."""
    changed = deepcopy(FULL[1])
    changed[_DOSE][0]["doseAndRate"] = [{"doseRange": {"low": mg(low), "high": mg(high)}}]
    assert checked(changed) is passes
    assert f"{low} mg to {high} mg" in dosage_words.text(changed[_DOSE][0])


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("with food,\n\tin the evening", True),
        ("à prendre le soir — 夜", True),
        ("x" * 2000, True),
        ("x" * 2001, False),
        ("a\rb", False),
        ("a\x00b", False),
        ("a\x85b", False),
        ("soft\u00adhyphen", False),
        ("arabic letter mark \u061c", False),
        ("zero width space \u200b", False),
        ("zero width joiner \u200d", False),
        ("left to right \u200e", False),
        ("line \u2028", False),
        ("override \u202e", False),
        ("word joiner \u2060", False),
        ("isolate \u2066", False),
        ("byte order \ufeff", False),
        ("tag \U000e0041", False),
        (" \n ", False),
    ],
)
def test_a_note_has_no_character_that_is_not_seen(text: str, passes: bool) -> None:
    """Control and format characters are refused with the reason, letters of any script are not."""
    changed = deepcopy(FULL[0])
    changed["note"][0]["text"] = text
    assert checked(changed) is passes
    if not passes:
        with pytest.raises(Unprocessable, match=r"note\.text: it is ") as caught:
            order_gate.check_order(changed, "Patient/example")
        assert caught.value.code == "U-ORDER-INVALID"


def test_a_name_with_such_a_character_does_not_keep_its_bearer_from_signing() -> None:
    """Whose name the page could not show as it is written is named by reference alone."""
    who = replace(samples.practitioner(), display="Dr \u202eexample")
    order = orders.prepare(samples.held_draft(), None, who, samples.EHR, samples.PUBLIC_URL, samples.START).order
    assert load_object(order)["requester"] == {"reference": "Practitioner/p1"}
