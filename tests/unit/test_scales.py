"""Rating scales in every shape."""

import pytest

from fhir_adapters import terminology
from fhir_adapters.canonical import Adapted
from fhir_adapters.scales import summed_items
from tests.fixtures.resources import (
    FREQUENCY,
    LOINC,
    PHQ9,
    Resource,
    adapted,
    concept,
    fixture,
    observation,
    quantity,
    response,
)

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
    """One item short, there is no total, and nothing is taken as zero."""
    found = adapted(*items(*ANSWERS)[:8]).features.features["phq9_total"]
    assert (found.status, found.reason) == ("missing", "not-recorded")


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


@pytest.mark.parametrize(("scale", "count"), [("phq9", 9), ("gad7", 7), ("audit_c", 3), ("epds", 10)])
def test_the_summed_items_come_from_the_table(scale: str, count: int) -> None:
    """The items whose highest scores reach the total's are the instrument's own number of items."""
    assert len(summed_items(terminology.load().scales[scale])) == count


@pytest.mark.parametrize("scale", ["phq9_mds", "cssrs_screener", "phq2", "mdq"])
def test_a_scale_without_all_its_items_in_the_table_is_not_summed(scale: str) -> None:
    """No total is made up for a scale of which the table holds only some items."""
    assert summed_items(terminology.load().scales[scale]) == ()
