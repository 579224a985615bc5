"""The rules over an edited draft: what is refused, what is acknowledged, what is worked out again, what is recorded."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_adapters.errors import UndersignError
from recommender.assessment import Candidate, Dose, Gate
from recommender.catalog import knowledge
from recommender.dose import dosing
from recommender.dose.supply import limited
from recommender.drafts import build
from recommender.safety import rules
from service.drafts.canonical_json import dumps, load_object
from service.drafts.order import differences, edit_rules, edits
from service.drafts.order.edits import EDITABLE
from service.drafts.records import Draft
from service.drafts.signature import orders
from tests.contract import samples
from tests.factories import adult, patient

K = knowledge.load()
TODAY = date(2026, 11, 22)
SIGNER = "Practitioner/p1"
WELL = adult(crcl=95.0, egfr=95.0)
DRAFTED = sorted(name for name in K.drugs if isinstance(dosing.dose(name, (), WELL, K), Dose))
DAYS = {"value": 28, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}


def held(drug: str = "sertraline", vector: Any = WELL, **context: Any) -> Draft:
    """Return a draft as the recommender makes it, held with what its patient's chart gave."""
    dose = dosing.dose(drug, rules.evaluate(drug, patient(), vector, K), vector, K)
    assert isinstance(dose, Dose)
    supply = limited(Gate("open"), (), K)
    candidate = Candidate(drug, "1", "offered", "none", (), dose)
    resource = build(
        candidate, patient(), replaces=(), authored_on="2026-11-22", facts=(), requester=None, supply=supply
    )
    known: dict[str, Any] = {
        "acknowledge": [],
        "dose": msgspec.to_builtins(dose),
        "supply": msgspec.to_builtins(supply),
        "versions": {"knowledge": K.version},
        "drafted": {name: resource[name] for name in EDITABLE if name in resource},
    }
    return replace(samples.held_draft(), resource=dumps(resource), context=dumps({**known, **context}))


def edited(draft: Draft, **change: Any) -> bytes:
    """Return the resource after an edit: ``mg``, ``times`` and elements of the dosage's repeat, or whole elements."""
    wanted = load_object(draft.resource)
    dosage = wanted["dosageInstruction"][0]
    if "mg" in change:
        dosage["doseAndRate"][0]["doseQuantity"]["value"] = change.pop("mg")
    dosage["timing"]["repeat"] |= change.pop("repeat", {})
    dosage |= change.pop("dosage", {})
    wanted["dispenseRequest"] |= change.pop("supply", {})
    found = edits.edited(draft, dumps({**wanted, **change}), SIGNER)
    return found or draft.resource


def judged(draft: Draft, **change: Any) -> tuple[str, ...]:
    """Return what a signer must acknowledge of an edit."""
    return edit_rules.judged(draft, edited(draft, **change), K, TODAY)


def refused(draft: Draft, **change: Any) -> tuple[str, str]:
    """Return code and message with which an edit is refused."""
    with pytest.raises(UndersignError) as caught:
        judged(draft, **change)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize("drug", DRAFTED)
def test_a_draft_as_drafted_asks_for_nothing_more(drug: str) -> None:
    """Whatever the drug, its own draft meets the rules without a word, and is recorded without a difference."""
    draft = held(drug)
    assert judged(draft) == ()
    assert differences.differences(draft) == []


@pytest.mark.parametrize("drug", DRAFTED)
def test_a_draft_as_drafted_may_be_signed(drug: str) -> None:
    """Whatever the drug, its own draft has nothing that its signer would not be shown, and no impossible number."""
    draft = replace(held(drug), patient=patient().reference)
    prepared = orders.prepare(draft, None, samples.practitioner(), samples.EHR, samples.PUBLIC_URL, samples.START)
    assert prepared.version == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mg": 200}, ""),
        ({"mg": 225}, "U-ORDER-DOSE-CEILING"),
        ({"mg": 75}, ""),
        ({"mg": 60}, "U-ORDER-DOSE-UNITS"),
        ({"mg": 25}, ""),
        ({"mg": 10}, "U-ORDER-DOSE-UNITS"),
        ({"mg": 125, "repeat": {"frequency": 2}}, "U-ORDER-DOSE-CEILING"),
        ({"mg": 0}, "U-ORDER-DOSE"),
        ({"repeat": {"boundsPeriod": {"start": "2026-12-01", "end": "2026-11-30"}}}, "U-ORDER-DATES"),
        ({"repeat": {"boundsPeriod": {"end": "2026-11-21"}}}, "U-ORDER-DATES"),
        ({"repeat": {"boundsPeriod": {"end": "2026-11-22"}}}, ""),
        ({"repeat": {"boundsPeriod": {"start": "soon"}}}, "U-ORDER-DATES"),
        ({"supply": {"validityPeriod": {"end": "2026-11-01"}}}, "U-ORDER-DATES"),
        ({"medicationCodeableConcept": {"text": "another"}}, "U-ORDER-FIELD"),
        ({"subject": {"reference": "Patient/other"}}, "U-ORDER-FIELD"),
    ],
)
def test_what_the_rules_block_is_refused_by_name(change: Mapping[str, Any], code: str) -> None:
    """A dose above the ceiling or in no whole units, impossible dates, another drug or patient: each has its code."""
    draft = held()
    if code:
        assert refused(draft, **change)[0] == code
    else:
        judged(draft, **change)


def test_a_ceiling_is_refused_with_its_rule_and_source_and_without_the_chart() -> None:
    """The refusal names the rule that lowered the ceiling and its source; the age stays on the page."""
    draft = held("citalopram", adult(age=71.0, crcl=95.0, egfr=95.0))
    code, message = refused(draft, mg=40)
    assert code == "U-ORDER-DOSE-CEILING"
    assert "above 20 mg a day" in message
    assert "by rule SR035 (source: L-CIT+L-CIT2)" in message
    assert "71" not in message


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mg": 100}, ("above the 50 mg that it is begun with",)),
        ({"mg": 25, "repeat": {"frequency": 2}}, ("usually given once a day",)),
        ({"dosage": {"asNeededBoolean": True}}, ("as needed",)),
        ({"repeat": {"boundsPeriod": {"start": "2026-11-20"}}}, ("begins before today",)),
        ({"repeat": {"boundsPeriod": {"start": "2026-12-20"}}}, ("begins after the time",)),
        ({"supply": {"numberOfRepeatsAllowed": 2}}, ("at most 28 days at a time, 0 repeats (SU01, POLICY)",)),
        ({"supply": {"expectedSupplyDuration": {**DAYS, "value": 90}}}, ("at most 28 days",)),
        ({"supply": {"expectedSupplyDuration": {**DAYS, "value": 7}}}, ()),
        ({"supply": {"quantity": {"value": 28, "unit": "bottle"}}}, ("at most 28 days",)),
        ({"dosage": {"asNeededCodeableConcept": {"text": "panic"}}}, ("as needed",)),
        ({"mg": 25, "repeat": {"frequencyMax": 4}}, ("above the 50 mg", "usually given once a day")),
        (
            {"supply": {"quantity": {"value": 90, "unit": "tablet"}, "expectedSupplyDuration": {**DAYS, "value": 14}}},
            ("at most 28 days", "At this dose those days take 14"),
        ),
    ],
)
def test_what_is_unusual_is_acknowledged(change: Mapping[str, Any], said: tuple[str, ...]) -> None:
    """A higher start, another schedule, dates and supply beyond the draft's are acknowledged, in these words."""
    found = judged(held(), **change)
    assert len(found) == len(said)
    assert all(words in point for words, point in zip(said, found, strict=True))


def test_a_stepwise_order_is_judged_by_its_first_and_its_highest_step() -> None:
    """Beginning with the usual start is no higher start, and a later step above the ceiling blocks."""
    draft = held()
    dosage = load_object(draft.resource)["dosageInstruction"][0]

    def steps(last: int) -> dict[str, Any]:
        later = samples.dosage(last, route=dosage["route"])
        return {"dosageInstruction": [{**dosage, "sequence": 1}, {**later, "sequence": 2}]}

    found = judged(draft, **steps(150))
    assert len(found) == 1
    assert "The draft had a quantity" in found[0]
    assert refused(draft, **steps(250))[0] == "U-ORDER-DOSE-CEILING"


@pytest.mark.parametrize(
    ("change", "quantity", "days"),
    [
        ({"mg": 100}, 56, 28),
        ({"mg": 25}, 14, 28),
        ({"mg": 25, "repeat": {"frequency": 2}}, 28, 28),
        ({"supply": {"expectedSupplyDuration": {**DAYS, "value": 7}}}, 7, 7),
        ({"supply": {"quantity": {"value": 14, "unit": "tablet"}}}, 14, 14),
        ({"mg": 100, "supply": {"quantity": {"value": 14, "unit": "tablet"}}}, 14, 7),
        ({"mg": 50, "repeat": {"periodUnit": "wk"}}, 4, 28),
        ({"note": [{"text": "with food"}]}, 28, 28),
    ],
)
def test_the_supply_follows_the_edit(change: Mapping[str, Any], quantity: int, days: int) -> None:
    """A quantity left as it stood is counted anew from dose and days, and the days from a quantity that was written."""
    supply = load_object(edited(held(), **change))["dispenseRequest"]
    assert (supply["quantity"]["value"], supply["expectedSupplyDuration"]["value"]) == (quantity, days)


def test_a_quantity_that_cannot_be_counted_is_left_out_and_said() -> None:
    """Where the strength is not known, or doses follow each other, the old quantity does not stay."""
    draft = held(dose={**load_object(held().context)["dose"], "strength_mg": None})
    after = edited(draft, mg=100)
    assert "quantity" not in load_object(after)["dispenseRequest"]
    assert any("The draft had a quantity" in point for point in edit_rules.judged(draft, after, K, TODAY))


@given(
    value=st.integers(1, 10**70) | st.decimals(Decimal("1e-60"), Decimal("1e60"), allow_nan=False),
    times=st.integers(1, 10**35) | st.sampled_from([1, 999_999]),
    period=st.integers(1, 10**35) | st.sampled_from([Decimal("0.000001"), Decimal("1e-60")]),
    days=st.integers(1, 10**35) | st.sampled_from([1, 999_999]),
    unit=st.sampled_from(["g", "mg", "ug"]),
    per=st.sampled_from(["min", "mo"]),
)
@example(value=999_999, times=999_999, period=Decimal("0.000001"), days=999_999, unit="g", per="min")
@example(value=Decimal("0.000001"), times=1, period=999_999, days=999_999, unit="ug", per="mo")
def test_no_number_of_an_edit_makes_the_rules_stumble(
    value: int | Decimal, times: int, period: int | Decimal, days: int, unit: str, per: str
) -> None:
    """Whatever the numbers of an edit, it is judged or refused by its code."""
    dose = {"value": value, "unit": unit, "system": DAYS["system"], "code": unit}
    repeat = {"frequency": times, "period": period, "periodUnit": per}
    try:
        judged(
            held(),
            dosage={"doseAndRate": [{"doseQuantity": dose}]},
            repeat=repeat,
            supply={"expectedSupplyDuration": {**DAYS, "value": days}},
        )
    except UndersignError:
        return


@given(mg=st.sampled_from([25, 50, 75, 100, 150, 200]), days=st.integers(1, 90), times=st.integers(1, 2))
def test_no_edit_leaves_a_quantity_that_does_not_fit(mg: int, days: int, times: int) -> None:
    """Whatever the dose and the days, a quantity that nobody wrote lasts those days and less than one dose more."""
    duration = {"expectedSupplyDuration": {**DAYS, "value": days}}
    order = load_object(edited(held(), mg=mg, repeat={"frequency": times}, supply=duration))
    lasting = order["dispenseRequest"]["quantity"]["value"] * 50 / (mg * times)
    assert days <= lasting < days + 50 / (mg * times)


def test_an_edit_under_other_rules_is_not_judged_by_these() -> None:
    """When the knowledge has changed since the draft, its edit is refused; as drafted, and with a note, it is not."""
    draft = held(versions={"knowledge": "older"})
    assert refused(draft, mg=100)[0] == "U-DRAFT-RULES"
    assert judged(draft) == ()
    assert judged(draft, note=[{"text": "with food"}]) == ()


@pytest.mark.parametrize("version", ["older", K.version.partition("+")[0], "", 7])
def test_a_draft_of_other_rules_is_known_without_an_edit(version: object) -> None:
    """A draft that was worked out by other knowledge than this is refused as it stands; one of this is not."""
    edit_rules.check_rules(held(), K)
    with pytest.raises(UndersignError) as caught:
        edit_rules.check_rules(held(versions={"knowledge": version}), K)
    assert caught.value.code == "U-DRAFT-RULES"


def test_a_draft_without_bounds_takes_no_other_dose() -> None:
    """Where a draft does not say what its patient's dose is judged by, an edited dose is refused."""
    assert refused(held(dose={"strength_mg": 50}), mg=25)[0] == "U-ORDER-DOSE-CEILING"


def test_a_second_edit_is_judged_and_recorded_against_the_draft() -> None:
    """What was acknowledged of an edit is asked again when its version is prepared, and the record names what was
    drafted, not what was edited last."""
    first = held()
    second = replace(first, version=2, resource=edited(first, mg=100))
    assert len(judged(second)) == 1
    assert judged(second, mg=150)[0].startswith("Sertraline 150 mg a day is above the 50 mg")
    assert differences.differences(second) == [
        {
            "element": "dosageInstruction",
            "drafted": "50 mg by mouth once every day",
            "now": "100 mg by mouth once every day",
        },
        {
            "element": "dispenseRequest",
            "drafted": "28 tablets, for 28 days, 0 repeats",
            "now": "56 tablets, for 28 days, 0 repeats",
        },
    ]
    assert differences.label(second).endswith(", edited: 100 mg by mouth once every day")


def test_the_words_of_a_note_are_not_in_the_difference() -> None:
    """A note may hold what a patient said: the difference counts it, and the order alone holds its words."""
    draft = held()
    second = replace(draft, version=2, resource=edited(draft, note=[{"text": "secret"}]))
    (found,) = differences.differences(second)
    assert found == {"element": "note", "drafted": "none by a practitioner", "now": "1 by a practitioner"}
