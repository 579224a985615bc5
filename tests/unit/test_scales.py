"""Rating scales in every shape."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect.profile import Profile, load
from tests.fixtures.resources import (
    AS_OF,
    FREQUENCY,
    LOINC,
    PHQ9,
    SNOMED,
    Resource,
    adapted,
    concept,
    fixture,
    observation,
    patient,
    quantity,
    response,
)

ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
WEIGHT = "http://hl7.org/fhir/StructureDefinition/itemWeight"
ANSWERS = (2, 3, 2, 2, 1, 2, 2, 1, 1)  # 16


def items(*scores: int, start: str = "i", **fields: str) -> list[Resource]:
    """PHQ-9 items in the order of the form, as Observations."""
    return [
        observation(f"{start}{place}", code, valueCodeableConcept=concept(LOINC, FREQUENCY[score]), **fields)
        for place, (code, score) in enumerate(zip(PHQ9, scores, strict=True))
    ]


def totals(found: Adapted) -> list[float]:
    """All PHQ-9 totals, newest first."""
    return [one.value for one in found.patient.scales if (one.scale, one.part) == ("phq9", "total")]


@pytest.mark.parametrize(
    "value",
    [
        {"valueInteger": 16},
        {"valueQuantity": quantity(16, "{score}")},
        {"valueQuantity": {"value": 16}},
        {"valueQuantity": {"value": 16, "unit": "points"}},
        {"valueString": "16"},
        {"valueString": " 16.0 "},
    ],
)
def test_a_total_is_read_in_every_value_shape(value: Resource) -> None:
    """A PHQ-9 total of 16 reads 16 as integer, quantity or numeric text."""
    found = adapted(observation("t", "44261-6", **value)).features.features["phq9_total"]
    assert (found.status, found.value) == ("present", 16)


def test_a_total_from_text_names_its_repair() -> None:
    """A total written as text says number-from-text."""
    found = adapted(observation("t", "44261-6", valueString="16")).features.features["phq9_total"]
    assert found.source is not None
    assert found.source.repairs == ("number-from-text",)


def test_the_panel_code_with_a_number_is_a_total_with_a_repair() -> None:
    """44249-1 with 16 counts as the total and says that it is the panel's code."""
    found = adapted(observation("t", "44249-1", valueInteger=16)).features.features["phq9_total"]
    assert found.value == 16
    assert found.source is not None
    assert found.source.repairs == ("panel-code-for-total",)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"valueInteger": 28}, "implausible"),
        ({"valueInteger": -1}, "implausible"),
        ({"valueQuantity": quantity(12.5, "{score}")}, "not-a-whole-number"),
        ({"valueQuantity": quantity(16, "%")}, "unit-unknown"),
        ({"valueQuantity": quantity(16, "{score}", comparator=">")}, "bound-only"),
        ({"valueString": "moderate"}, "value-is-text"),
        ({"valueBoolean": True}, "value-type"),
        ({"valueCodeableConcept": concept(LOINC, "LA6568-5")}, "answer-unknown"),
        ({}, "value-missing"),
    ],
)
def test_a_total_that_cannot_be_one_is_refused_by_name(value: Resource, reason: str) -> None:
    """Each impossible PHQ-9 total makes the feature refused with its reason."""
    found = adapted(observation("t", "44261-6", **value)).features.features["phq9_total"]
    assert (found.status, found.reason) == ("refused", reason)


@pytest.mark.parametrize("name", ["depressed_phq9_total", "depressed_phq9_items", "depressed_phq9_response"])
def test_three_shapes_of_one_administration_give_one_total(name: str) -> None:
    """Total, items under a panel, and QuestionnaireResponse give 16 for the same answers."""
    assert fixture(name).features.number("phq9_total") == 16


def test_items_of_one_day_without_a_panel_are_summed() -> None:
    """Nine item Observations of one day make a total that names them all."""
    found = adapted(*items(*ANSWERS)).features.features["phq9_total"]
    assert found.value == 16
    assert found.source is not None
    assert found.source.rule == "scales.items"
    assert all(f"Observation/i{place}" in f"{found.source.reference} {found.source.path}" for place in range(9))


def test_components_are_summed() -> None:
    """A PHQ-9 whose items are components of one Observation has its total."""
    parts = [{"code": concept(LOINC, code), "valueInteger": score} for code, score in zip(PHQ9, ANSWERS, strict=True)]
    assert totals(adapted(observation("p", "44249-1", component=parts))) == [16]


def test_eight_items_are_no_total() -> None:
    """One item short, there is no total, nothing is taken as zero, and the item that lacks is named."""
    found = adapted(*items(*ANSWERS)[:8]).features
    total, item = found.features["phq9_total"], found.features["phq9_item9"]
    assert (total.status, total.reason) == ("refused", "items-missing")
    assert total.source is not None
    assert total.source.path == "without item9_self_harm"
    assert (item.status, item.reason) == ("refused", "item-missing")


def test_one_answer_alone_is_no_form_left_half() -> None:
    """Item 9 sent by itself is read, and takes no total of another day away."""
    total = observation("t", "44261-6", "2026-11-01", valueInteger=16)
    found = adapted(total, *items(*ANSWERS)[8:]).features
    assert (found.number("phq9_total"), found.number("phq9_item9")) == (16, 1)


def test_two_items_are_a_phq2_that_takes_no_phq9_away() -> None:
    """The first two items by themselves are the PHQ-2's, and an earlier PHQ-9 stands."""
    total = observation("t", "44261-6", "2026-11-01", valueInteger=16)
    screen = response("r", {f"/{code}": {"valueInteger": 1} for code in PHQ9[:2]})
    assert adapted(total, screen).features.number("phq9_total") == 16


def test_the_tenth_item_is_not_summed() -> None:
    """Difficulty, the tenth question, adds nothing to the total."""
    tenth = observation("i10", "69722-7", valueCodeableConcept=concept(LOINC, "LA6574-3"))
    assert totals(adapted(*items(*ANSWERS), tenth)) == [16]


def test_items_of_two_days_are_no_total() -> None:
    """Items of two administrations are not added up together."""
    early = items(*ANSWERS)[:5]
    late = items(*ANSWERS, start="l", when="2026-10-10")[5:]
    assert totals(adapted(*early, *late)) == []


@pytest.mark.parametrize("when", ["2026-11-10", "2026-11-10T09:30:00Z"])
def test_a_total_that_disagrees_with_its_items_is_a_conflict(when: str) -> None:
    """A recorded 12 over items of 16 is conflicting, not 12 and not 16."""
    found = adapted(*items(*ANSWERS), observation("t", "44261-6", when, valueInteger=12)).features
    assert found.features["phq9_total"].status == "conflicting"
    assert found.number("phq9_total") is None
    assert fixture("phq9_total_disagrees").features.features["phq9_total"].status == "conflicting"


def test_a_total_that_agrees_with_its_items_stands_alone() -> None:
    """Recorded and summed totals that are equal are one score, the recorded one."""
    found = adapted(*items(*ANSWERS), observation("t", "44261-6", valueInteger=16))
    assert totals(found) == [16]
    source = found.features.features["phq9_total"].source
    assert source is not None
    assert source.reference == "Observation/t"


def test_the_crisis_item_is_read_by_its_code_wherever_it_stands() -> None:
    """44260-8 first in a form is item 9, and 44254-1 in ninth place is not."""
    answers = {f"/{code}": {"valueInteger": 0} for code in PHQ9}
    shuffled = {
        "/44260-8": {"valueInteger": 3},
        **{link: one for link, one in answers.items() if "44260" not in link},
    }
    found = adapted(response("r", shuffled)).features
    assert found.number("phq9_item9") == 3
    assert found.number("phq9_total") == 3


def test_the_nursing_home_item_feeds_the_crisis_feature() -> None:
    """54653-1 is kept as phq9_mds and counts as an answer to item 9."""
    found = adapted(observation("m", "54653-1", valueInteger=2))
    assert [(one.scale, one.value) for one in found.patient.scales] == [("phq9_mds", 2)]
    assert found.features.number("phq9_item9") == 2


@pytest.mark.parametrize("link", ["/44260-8", "44260-8", "http://loinc.org/44260-8", "/44249-1/44260-8", " 44260-8 "])
def test_a_link_id_may_hold_the_code_in_its_last_part(link: str) -> None:
    """Every seen way to write the item's code into linkId is read."""
    assert adapted(response("r", {link: {"valueInteger": 2}})).features.number("phq9_item9") == 2


@pytest.mark.parametrize("link", ["9", "item9", "44260", "/44260-8/other", "phq9.9", None])
def test_a_link_id_without_the_code_is_not_guessed(link: str | None) -> None:
    """A linkId that holds no LOINC code says nothing."""
    form = response("r", {})
    form["item"] = [{"answer": [{"valueInteger": 3}]} | ({"linkId": link} if link else {})]
    assert adapted(form).patient.scales == ()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"valueCoding": {"system": LOINC, "code": "LA6570-1"}}, 2),
        ({"valueCoding": {"code": "LA6570-1"}}, 2),
        ({"valueCoding": {"system": LOINC, "code": "LA6570-1 "}}, 2),
        ({"valueInteger": 2}, 2),
        ({"valueDecimal": 2.0}, 2),
        ({"valueString": "2"}, 2),
    ],
)
def test_an_answer_is_read_in_every_shape(answer: Resource, value: float) -> None:
    """Codes, bare codes, codes with blanks, integers, decimals and numeric text answer alike."""
    assert adapted(response("r", {"/44260-8": answer})).features.number("phq9_item9") == value


@pytest.mark.parametrize(
    "answer",
    [{"valueCoding": {"system": LOINC, "code": "LA6270-8"}}, {"valueBoolean": True}, {"valueInteger": 4}],
)
def test_an_answer_of_another_list_is_refused(answer: Resource) -> None:
    """ "Never" of AUDIT-C, yes, or 4 is no answer to PHQ-9 item 9."""
    assert adapted(response("r", {"/44260-8": answer})).features.features["phq9_item9"].status == "refused"


def test_nested_items_are_read() -> None:
    """Items under groups and under answers are found."""
    form = response("r", {})
    inner = {"linkId": "44260-8", "answer": [{"valueInteger": 1}]}
    form["item"] = [{"linkId": "g", "item": [{"linkId": "h", "answer": [{"valueBoolean": True, "item": [inner]}]}]}]
    (found,) = adapted(form).patient.scales
    assert found.source.path == "item[0].item[0].answer[0].item[0].answer[0].valueInteger"


@pytest.mark.parametrize("status", ["in-progress", "stopped", "other"])
def test_an_unfinished_response_is_refused(status: str) -> None:
    """A form that is not completed gives no scores and a refusal by name."""
    found = adapted(response("r", {"/44260-8": {"valueInteger": 3}}, status=status))
    assert found.patient.scales == ()
    assert found.features.features["phq9_item9"].status == "refused"


def test_screener_answers_of_yes_and_no_are_one_and_zero() -> None:
    """C-SSRS answers as LOINC codes or booleans read 1 and 0."""
    found = adapted(
        response("r", {"/93246-7": {"valueCoding": {"system": LOINC, "code": "LA33-6"}}}),
        observation("o", "93247-5", valueBoolean=False),
    ).patient.scales
    assert {one.part: one.value for one in found} == {"q1_wish_dead": 1, "q2_nonspecific_thoughts": 0}


def test_trajectories_are_kept_newest_first() -> None:
    """All totals stay, the newest first."""
    assert totals(fixture("depressed_phq9_total")) == [16, 19]


def test_two_totals_of_one_time_conflict() -> None:
    """Two different totals of the same day without times are a conflict."""
    found = adapted(observation("a", "44261-6", valueInteger=10), observation("b", "44261-6", valueInteger=11))
    assert found.features.features["phq9_total"].status == "conflicting"


INSTRUMENTS = {
    "phq9": "phq9_total",
    "phq2": "phq2_total",
    "gad7": "gad7_total",
    "audit_c": "audit_c_total",
    "mdq": "mdq_total",
    "epds": "epds_total",
    "isi": "isi_total",
    "pcl5": "pcl5_total",
    "ymrs": "ymrs_total",
    "madrs": "madrs_total",
    "hamd17": "hamd17_total",
    "qids_sr16": "qids_total",
    "qids_c16": "qids_total",
}
TABLES = terminology.load().scale_tables
CODED = sorted({part.scale for part in TABLES.codes.values() if part.part == "total"} & set(INSTRUMENTS))
NAMED = sorted({part.scale for part in TABLES.names.values() if part.part == "total"} & set(INSTRUMENTS))


def mapped(links: dict[str, str]) -> Profile:
    """The base profile with a site's linkIds."""
    return replace(load("base-r4"), link_ids=links)


def adapted_by(profile: Profile, *resources: Resource) -> Adapted:
    """One patient with these resources, read in a site's dialect."""
    return adapt(json.dumps([patient(), *resources]).encode(), AS_OF, profile)


def form(scale: str, score: Callable[[float], float]) -> tuple[Profile, Resource, float]:
    """A response to every item of a scale by the site's own linkIds, and the total that it must have."""
    keys = [key for domain in TABLES.scoring[scale] for one in domain.needed for key in one]
    scores = {key: score(TABLES.parts[key[0]][key[1]].high or 0) for key in keys}
    total = sum(max(scores[key] for one in domain.needed for key in one) for domain in TABLES.scoring[scale])
    profile = mapped({f"q{place}": ".".join(key) for place, key in enumerate(keys)})
    answers: dict[str, Resource] = {f"q{place}": {"valueInteger": int(scores[key])} for place, key in enumerate(keys)}
    return profile, response("r", answers), total


@pytest.mark.parametrize("scale", CODED)
def test_every_coded_total_feeds_its_feature(scale: str) -> None:
    """Each code of a total, LOINC or SNOMED CT, gives the feature of its scale."""
    for (system, code), part in TABLES.codes.items():
        if (part.scale, part.part) == (scale, "total"):
            one = observation("t", code, code=concept(system, code), valueInteger=3)
            assert adapted(one).features.number(INSTRUMENTS[scale]) == 3


@pytest.mark.parametrize("scale", NAMED)
def test_every_named_total_feeds_its_feature_from_text(scale: str) -> None:
    """A total as text alone gives the feature and says so, whatever CPT code stands beside it."""
    cpt = concept("http://www.ama-assn.org/go/cpt", "96127")
    for name, part in TABLES.names.items():
        if (part.scale, part.part) == (scale, "total"):
            found = adapted(observation("t", "", code=cpt, valueString=f"{name} score: 3")).features
            feature = found.features[INSTRUMENTS[scale]]
            assert feature.value == 3
            assert feature.source is not None
            assert "total-from-text" in feature.source.repairs


@pytest.mark.parametrize("scale", sorted(set(INSTRUMENTS) - {"phq2"}))
def test_every_form_is_summed_as_its_table_says(scale: str) -> None:
    """All items at their highest make the highest total, all at zero make zero, and ones what the domains give."""
    for score in (lambda high: high, lambda high: 0, lambda high: 1):
        profile, answered, total = form(scale, score)
        assert adapted_by(profile, answered).features.number(INSTRUMENTS[scale]) == total
    assert form(scale, lambda high: high)[2] == TABLES.parts[scale]["total"].high


@pytest.mark.parametrize("scale", sorted(set(INSTRUMENTS) - {"phq2"}))
def test_a_form_without_its_last_item_has_no_total(scale: str) -> None:
    """One item short, every scale's total is refused and not a sum of what is there."""
    profile, answered, _ = form(scale, lambda high: 1)
    answered["item"].pop()
    found = adapted_by(profile, answered).features.features[INSTRUMENTS[scale]]
    assert (found.status, found.reason) == ("refused", "items-missing")


def test_qids_asks_for_less_appetite_or_for_more() -> None:
    """QIDS scores the highest of a domain, and needs one of each pair on appetite and weight."""
    profile, answered, _ = form("qids_sr16", lambda high: 1)
    keep = [item for item in answered["item"] if item["linkId"] not in ("q6", "q8")]
    keep[0]["answer"] = [{"valueInteger": 3}]
    assert adapted_by(profile, answered | {"item": keep}).features.number("qids_total") == 11
    less = [item for item in keep if item["linkId"] not in ("q5", "q6")]
    assert adapted_by(profile, answered | {"item": less}).features.features["qids_total"].reason == "items-missing"


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("PHQ-9 score: 14", ("present", 14)),
        ("PHQ-9 = 14/27.", ("present", 14)),
        ("phq9 total score is 14 out of 27", ("present", 14)),
        ("PHQ-9 14/24", ("refused", "maximum-disagrees")),
        ("PHQ-9: 28", ("refused", "implausible")),
        ("PHQ-9", ("missing", "not-recorded")),
        ("PHQ 9", ("missing", "not-recorded")),
        ("PHQ-914", ("missing", "not-recorded")),
        ("PHQ-9: 10-14", ("missing", "not-recorded")),
        ("PHQ-9 score: 14 (moderate)", ("missing", "not-recorded")),
        ("no PHQ-9 score: 14", ("missing", "not-recorded")),
        ("PHQ-8 score: 14", ("missing", "not-recorded")),
        ("PHQ-9 item 9: 2", ("missing", "not-recorded")),
    ],
)
@pytest.mark.parametrize("where", ["valueString", "note", "known code"])
def test_a_text_is_a_total_only_if_it_is_nothing_else(text: str, reading: tuple[str, object], where: str) -> None:
    """Free text is read by an exact form of words or not at all."""
    fields: Resource = {"note": [{"text": text}]} if where == "note" else {"valueString": text}
    code = "44261-6" if where == "known code" else "10164-2"
    found = adapted(observation("t", code, **fields)).features.features["phq9_total"]
    expected = ("refused", "value-is-text") if where == "known code" and reading[0] == "missing" else reading
    if where == "known code" and text == "PHQ-8 score: 14":
        expected = ("refused", "codes-disagree")
    assert (found.status, found.value if found.value is not None else found.reason) == expected


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "preliminary", "unknown", None])
def test_a_text_of_no_result_is_no_total(status: str | None) -> None:
    """Notes on results that do not count are not read."""
    one = observation("t", "10164-2", status=status, note=[{"text": "PHQ-9 score: 14"}])
    assert adapted(one).patient.scales == ()


@pytest.mark.parametrize(
    ("code", "repair"),
    [
        ({"coding": [{"code": "44261-6"}]}, "system-missing"),
        ({"coding": [{"system": LOINC, "display": "PHQ-9"}]}, "code-from-display"),
        ({"text": "Patient Health Questionnaire 9 item total score"}, "code-from-text"),
        ({"text": "PHQ-9"}, "code-from-text"),
    ],
)
def test_a_total_without_a_whole_code_is_known_by_what_is_certain(code: Resource, repair: str) -> None:
    """A code without its system, a LOINC display without its code and an instrument's name each say what it is."""
    found = adapted(observation("t", "", code=code, valueInteger=14)).features.features["phq9_total"]
    assert found.value == 14
    assert found.source is not None
    assert found.source.repairs == (repair,)


@pytest.mark.parametrize(
    "code",
    [
        {"coding": [{"display": "PHQ-9"}]},
        {"coding": [{"system": "http://example.org/flowsheet", "display": "PHQ-9"}]},
        {"coding": [{"system": "http://example.org/flowsheet", "code": "44261-6"}]},
        {"text": "Trouble relaxing"},
        {"text": "PHQ"},
        {},
    ],
)
def test_a_name_that_could_be_anything_is_not_guessed(code: Resource) -> None:
    """Words of other systems, an item's words alone and half names say nothing."""
    assert adapted(observation("t", "", code=code, valueInteger=2)).patient.scales == ()


GAD7 = (
    *("Feeling nervous, anxious or on edge", "Not being able to stop or control worrying"),
    *("Worrying too much about different things", "Trouble relaxing"),
    *("Being so restless that it is hard to sit still", "Becoming easily annoyed or irritable"),
    "Feeling afraid as if something awful might happen",
)


def report(*, status: str = "final", score: str = "Several days", **fields: Any) -> Resource:
    """A GAD-7 as a report with its items inside, known by their displays."""
    inside: list[Resource] = [
        {
            "resourceType": "Observation",
            "id": f"g{place}",
            "code": {"coding": [{"system": LOINC, "display": name}]},
            "valueCodeableConcept": {"coding": [{"system": LOINC, "display": score}]},
        }
        for place, name in enumerate(GAD7)
    ]
    return {
        "resourceType": "DiagnosticReport",
        "id": "d",
        "status": status,
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-10",
        "code": {"coding": [{"system": LOINC, "display": "Generalized anxiety disorder 7 item (GAD-7)"}]},
        "contained": inside,
        **fields,
    }


def test_items_inside_a_report_are_read_by_their_displays() -> None:
    """Seen in OpenEMR: contained items whose LOINC codings hold names only make a total of the report's day."""
    found = adapted(report())
    assert found.features.number("gad7_total") == 7
    assert {one.effective for one in found.patient.scales} == {date(2026, 11, 10)}
    assert adapted(report(status="entered-in-error")).patient.scales == ()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"extension": [{"url": ORDINAL, "valueDecimal": 2}], "code": "x"}, 2),
        ({"extension": [{"url": WEIGHT, "valueDecimal": 2}], "code": "x"}, 2),
        ({"extension": [{"url": ORDINAL, "valueDecimal": 2}], "system": LOINC, "code": "LA6570-1"}, 2),
        ({"extension": [{"url": ORDINAL, "valueDecimal": 3}], "system": LOINC, "code": "LA6570-1"}, "codes-disagree"),
        ({"extension": [{"url": ORDINAL, "valueDecimal": 7}], "code": "x"}, "implausible"),
        ({"extension": [{"url": "http://example.org/rank", "valueDecimal": 2}], "code": "x"}, "answer-unknown"),
        ({"code": "Nearly-every-day", "display": "Nearly every day"}, 3),
        ({"system": "http://example.org/a", "code": "3", "display": "3 - Nearly every day"}, 3),
        ({"system": "http://example.org/a", "code": "3", "display": "2 - Nearly every day"}, "answers-disagree"),
        ({"system": "http://example.org/a", "code": "3", "display": "Nearly every day (3)"}, 3),
        ({"system": "http://example.org/a", "code": "3", "display": "Almost every day"}, "answer-unknown"),
        ({"system": LOINC, "code": "LA9999-9", "display": "Nearly every day"}, "answer-unknown"),
        ({"system": LOINC, "code": "LA6270-8", "display": "Not at all"}, "answer-unknown"),
        ({"system": LOINC, "code": "LA30122-8"}, "not-answered"),
    ],
)
def test_a_coded_answer_is_read_by_code_ordinal_or_exact_words(answer: Resource, value: object) -> None:
    """A code, an ordinal beside it or a site's code with a list's exact words score alike; doubt is refused."""
    found = adapted(response("r", {"/44260-8": {"valueCoding": answer}})).features.features["phq9_item9"]
    assert (found.value if found.value is not None else found.reason) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Several days", 1),
        ("several  days.", 1),
        ("1 - Several days", 1),
        ("often", "value-is-text"),
        ("no", "value-is-text"),
    ],
)
def test_a_written_answer_is_read_by_exact_words(text: str, value: object) -> None:
    """valueString answers are a list's own words, or a number, or nothing."""
    found = adapted(response("r", {"/44260-8": {"valueString": text}})).features.features["phq9_item9"]
    assert (found.value if found.value is not None else found.reason) == value


def test_reversed_answers_score_as_the_table_says() -> None:
    """EPDS item 10 "Never" is 0, and item 1 "Not at all" is 3: the words of each item score for it alone."""
    answers = {"/71353-7": {"valueString": "Never"}, "/71344-6": {"valueString": "Not at all"}}
    found = adapted(response("r", answers)).patient.scales
    assert {one.part: one.value for one in found} == {"item10_self_harm": 0, "item1": 3}


def test_a_site_says_what_its_link_ids_mean() -> None:
    """A linkId of the profile's map is that part; one that holds another code too is neither."""
    profile = mapped({"dead": "phq9.item9_self_harm", "/44250-9": "phq9.item9_self_harm"})
    assert adapted_by(profile, response("r", {"dead": {"valueInteger": 2}})).features.number("phq9_item9") == 2
    both = adapted_by(profile, response("r", {"/44250-9": {"valueInteger": 2}}))
    assert both.patient.scales == ()
    assert both.features.features["phq9_item9"].reason == "codes-disagree"


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ("http://loinc.org/44260-8", 2),
        ("http://loinc.org/fhir/DataElement/44260-8", 2),
        ("https://loinc.org/44260-8/", 2),
        ("http://example.org/44260-8", None),
    ],
)
def test_a_definition_at_loinc_names_the_item(definition: str, value: float | None) -> None:
    """Item.definition holds the code where it is LOINC's address, and nowhere else."""
    form = response("r", {})
    form["item"] = [{"linkId": "9", "definition": definition, "answer": [{"valueInteger": 2}]}]
    assert adapted(form).features.number("phq9_item9") == value


def test_a_panel_says_which_form_it_is() -> None:
    """Two items under the PHQ-2's panel make a PHQ-2 total; the same two beside seven others do not."""
    panel: Resource = {
        "id": "p",
        "hasMember": [{"reference": f"Observation/i{place}"} for place in range(9)],
    }
    two = adapted(*items(*ANSWERS)[:2], observation("p", "55757-9", **panel))
    assert two.features.number("phq2_total") == 5
    assert two.features.features["phq9_total"].status == "missing"
    nine = adapted(*items(*ANSWERS), observation("p", "44249-1", **panel)).features
    assert (nine.number("phq9_total"), nine.features["phq2_total"].status) == (16, "missing")


def test_a_teenagers_form_makes_no_adult_total() -> None:
    """Items under the adolescent panel are not summed as a PHQ-9; its item 9 still reaches the crisis path."""
    panel: Resource = {"hasMember": [{"reference": f"Observation/i{place}"} for place in range(9)]}
    found = adapted(*items(*ANSWERS), observation("p", "89206-7", **panel)).features
    assert found.features["phq9_total"].status == "missing"
    assert found.number("phq9_item9") == 1


@pytest.mark.parametrize("code", ["94328-2", "89204-2", "70272-0", "54654-9", "54677-0", "76504-0", "96762-0"])
def test_other_totals_are_no_phq9(code: str) -> None:
    """PHQ-8, the adolescent form, PHQ-4, the nursing-home forms and codes of other forms are not PHQ-9 totals."""
    found = adapted(observation("t", code, valueInteger=9)).features
    assert all(found.features[name].status == "missing" for name in ("phq9_total", "audit_c_total", "pcl5_total"))


def test_two_administrations_of_a_day_stand_apart() -> None:
    """Morning and evening forms keep their own totals, and the evening's is the feature."""
    morning = items(*ANSWERS, when="2026-11-10T08:00:00Z")
    evening = items(*(0,) * 9, start="e", when="2026-11-10T20:00:00Z")
    found = adapted(*morning, *evening)
    assert totals(found) == [0, 16]
    assert found.features.number("phq9_total") == 0


def test_a_total_of_another_hour_is_not_its_panels() -> None:
    """A second recorded total of the day, at another moment than the panel, is another administration's."""
    panel: Resource = {"hasMember": [{"reference": f"Observation/i{place}"} for place in range(9)], "valueInteger": 16}
    when = "2026-11-10T08:00:00Z"
    later = observation("t", "44261-6", "2026-11-10T20:00:00Z", valueInteger=5)
    found = adapted(*items(*ANSWERS, when=when), observation("p", "44249-1", when, **panel), later)
    assert totals(found) == [5, 16]
    assert found.features.number("phq9_total") == 5


SCREENER = ("93246-7", "93247-5", "93248-3", "93249-1", "93250-9")


def screener(*answers: bool | None, **fields: Any) -> Resource:
    """C-SSRS screener questions 1, 2, …; None is not asked."""
    given = zip(SCREENER, answers, strict=False)
    return response("c", {f"/{code}": {"valueBoolean": one} for code, one in given if one is not None}, **fields)


@pytest.mark.parametrize(
    ("answers", "value"),
    [
        ((False, False), 0),
        ((False, False, False, False, False), 0),
        ((True, False), 1),
        ((True, True, False, False, False), 2),
        ((True, True, True, False, False), 3),
        ((True, True, True, True, False), 4),
        ((True, True, True, True, True), 5),
        ((False, True, False, False, True), 5),
        ((None, None, None, None, True), 5),
        ((False, False, False, True, False), 4),
        ((False,), "items-missing"),
        ((None, False), "items-missing"),
        ((True, True), "items-missing"),
        ((True, True, True), "items-missing"),
        ((True, True, True, True), "items-missing"),
        ((False, None, False, False, False), "items-missing"),
    ],
)
def test_ideation_is_the_highest_yes_and_zero_only_when_all_that_was_asked_is_no(
    answers: tuple[bool | None, ...], value: object
) -> None:
    """Questions 3 to 5 need no answer where question 2 is no; any other gap above the highest yes is unknown."""
    found = adapted(screener(*answers)).features.features["cssrs_ideation"]
    assert (found.value if found.value is not None else found.reason) == value


@pytest.mark.parametrize("question", range(5))
def test_an_unreadable_question_is_never_a_no(question: int) -> None:
    """Each C-SSRS question that cannot be read leaves ideation unknown, by its reason."""
    one = screener(*(place > 5 for place in range(5)))
    one["item"][question]["answer"] = [{"valueString": "declined to say"}]
    found = adapted(one).features.features["cssrs_ideation"]
    assert (found.status, found.reason) == ("refused", "value-is-text")


def test_the_latest_screener_counts() -> None:
    """A later screener of no outweighs an earlier yes; after an unfinished one neither counts, by name."""
    early, late = screener(True, True, True, True, True), screener(False, False)
    found = adapted(early | {"id": "e", "authored": "2026-10-01"}, late).features
    assert found.number("cssrs_ideation") == 0
    unfinished = adapted(early, late | {"id": "l", "authored": "2026-11-12", "status": "in-progress"}).features
    open_ = unfinished.features["cssrs_ideation"]
    assert (open_.status, open_.reason) == ("refused", "in-progress")


@pytest.mark.parametrize(
    ("loinc", "name", "status", "reads"),
    [
        ("44260-8", "phq9_item9", "preliminary", "preliminary"),
        ("44260-8", "phq9_item9", "unknown", "unknown"),
        ("44260-8", "phq9_item9", "cancelled", None),
        ("44260-8", "phq9_item9", "entered-in-error", None),
        ("71353-7", "epds_item10", "preliminary", "preliminary"),
        ("44261-6", "phq9_total", "preliminary", None),
    ],
)
def test_an_unfinished_answer_about_suicide_is_not_outweighed_by_an_older_no(
    loinc: str, name: str, status: str, reads: str | None
) -> None:
    """A newer answer about suicide that is not finished takes the older one's place, unread; others do not."""
    old = observation("old", loinc, "2026-11-02", valueInteger=0)
    new = observation("new", loinc, "2026-11-21", valueInteger=3, status=status)
    found = adapted(old, new).features.features[name]
    assert (found.value, found.reason) == ((None, reads) if reads else (0, None))


def test_a_question_that_a_form_in_progress_leaves_out_is_not_lost() -> None:
    """An unfinished form holds against an older answer only where it has one of its own."""
    done = response("r", {"/44260-8": {"valueInteger": 0}}, authored="2026-11-02")
    begun = response("s", {"/44255-8": {"valueInteger": 1}}, authored="2026-11-21", status="in-progress")
    begun["item"].append({"linkId": "/44260-8"})
    assert adapted(done, begun).features.number("phq9_item9") == 0


def test_the_most_severe_ideation_of_the_full_scale_counts() -> None:
    """93293-9 by itself gives its level; against the questions of its day it is a conflict."""
    full = observation("f", "93293-9", valueCodeableConcept=concept(LOINC, "LA30373-7"))
    assert adapted(full).features.number("cssrs_ideation") == 4
    assert adapted(full, screener(False, False)).features.features["cssrs_ideation"].status == "conflicting"


@pytest.mark.parametrize(
    ("ever", "recent", "value"),
    [
        (False, None, "none"),
        (False, False, "none"),
        (True, False, "lifetime"),
        (True, True, "recent"),
        (None, True, "recent"),
        (True, None, "items-missing"),
        (None, False, "items-missing"),
        (False, True, "answers-disagree"),
    ],
)
def test_behaviour_is_recent_lifetime_or_none(ever: bool | None, recent: bool | None, value: str) -> None:
    """Question 6 and its three months tell behaviour; half an answer does not."""
    answers = {"/93267-3": ever, "/93269-9": recent}
    form = response("c", {link: {"valueBoolean": one} for link, one in answers.items() if one is not None})
    found = adapted(form).features.features["cssrs_behaviour"]
    assert (found.value if found.value is not None else found.reason) == value


@pytest.mark.parametrize(("code", "level"), [("LA9194-7", 1), ("LA6751-7", 2), ("LA9193-9", 3)])
def test_a_recorded_risk_level_is_kept(code: str, level: float) -> None:
    """The recorded level stays as recorded: nothing here works one out."""
    found = adapted(observation("c", "93374-7", valueCodeableConcept=concept(LOINC, code))).patient.scales
    assert [(one.part, one.value) for one in found] == [("risk_level", level)]


@pytest.mark.parametrize(
    ("presence", "frequency", "value"),
    [
        ("LA32-8", None, 0),
        ("LA33719-8", None, 0),
        ("LA33-6", "LA10998-5", 1),
        ("LA33-6", "LA11000-9", 3),
        ("LA33-6", None, "frequency-missing"),
        ("LA10996-9", None, "not-answered"),
        ("LA33753-7", None, "not-answered"),
    ],
)
def test_the_nursing_home_form_tells_item_nine(presence: str, frequency: str | None, value: object) -> None:
    """Presence of no is a frequency of 0; presence of yes without its frequency, and no response, are unknown."""
    told = [observation("p", "54652-3", valueCodeableConcept=concept(LOINC, presence))]
    told += [observation("f", "54653-1", valueCodeableConcept=concept(LOINC, frequency))] if frequency else []
    found = adapted(*told).features.features["phq9_item9"]
    assert (found.value if found.value is not None else found.reason) == value


@pytest.mark.parametrize(
    ("fields", "scores"),
    [
        ({"valueCodeableConcept": concept(SNOMED, "428181000124104")}, [1]),
        ({"valueCodeableConcept": concept(SNOMED, "428171000124102")}, [0]),
        ({"valueBoolean": True}, []),
        ({"valueBoolean": True, "status": "cancelled"}, []),
    ],
)
def test_a_screening_result_is_no_total_and_a_flag_is_no_result(fields: Resource, scores: list[float]) -> None:
    """73832-8 tells positive or negative by its codes; true may mean done, and cancelled means not done."""
    found = adapted(observation("s", "73832-8", **fields))
    assert [one.value for one in found.patient.scales] == scores
    assert found.features.features["phq9_total"].status == "missing"


def test_mdq_keeps_what_makes_it_positive() -> None:
    """The 13 symptoms make the total; co-occurrence and problem are parts beside it, not points."""
    profile, answered, _ = form("mdq", lambda high: 1)
    links = {**profile.link_ids, "same": "mdq.co_occurrence", "trouble": "mdq.problem"}
    answered["item"] += response("x", {"same": {"valueBoolean": True}, "trouble": {"valueString": "Serious problem"}})[
        "item"
    ]
    found = adapted_by(mapped(links), answered)
    assert found.features.number("mdq_total") == 13
    kept = {one.part: one.value for one in found.patient.scales}
    assert (kept["co_occurrence"], kept["problem"]) == (1, 3)


@pytest.mark.parametrize("scale", sorted(TABLES.scoring))
def test_a_scoring_reaches_its_scales_highest_total(scale: str) -> None:
    """The domains of each scale at their highest add up to the total's range: none is forgotten or twice there."""
    tops = [
        max(TABLES.parts[key[0]][key[1]].high or 0 for one in domain.needed for key in one)
        for domain in TABLES.scoring[scale]
    ]
    assert sum(tops) == TABLES.parts[scale]["total"].high


@settings(max_examples=40, deadline=None)
@given(
    scores=st.lists(st.integers(0, 3), min_size=9, max_size=9),
    shape=st.sampled_from(["alone", "panel", "components", "response"]),
    order=st.randoms(use_true_random=False),
)
def test_every_shape_and_order_of_a_form_gives_its_sum(scores: list[int], shape: str, order: Random) -> None:
    """PHQ-9 answers as Observations, panel, components or response, in any order, make the sum and the same item 9."""
    single = items(*scores)
    panel: Resource = {"hasMember": [{"reference": f"Observation/i{place}"} for place in range(9)]}
    parts = [{"code": concept(LOINC, code), "valueInteger": one} for code, one in zip(PHQ9, scores, strict=True)]
    answered = [(f"/{code}", {"valueInteger": one}) for code, one in zip(PHQ9, scores, strict=True)]
    order.shuffle(parts)
    order.shuffle(answered)
    shapes: dict[str, list[Resource]] = {
        "alone": single,
        "panel": [*single, observation("p", "44249-1", **panel)],
        "components": [observation("p", "44249-1", component=parts)],
        "response": [response("r", dict(answered))],
    }
    resources = shapes[shape]
    order.shuffle(resources)
    found = adapted(*resources).features
    assert (found.number("phq9_total"), found.number("phq9_item9")) == (sum(scores), scores[8])
