"""AllergyIntolerances to allergies."""

import pytest

from tests.fixtures.resources import RXNORM, SNOMED, Resource, adapted, allergy, concept, fixture


@pytest.mark.parametrize(
    ("code", "ingredients", "classes"),
    [
        (concept(RXNORM, "36437"), ("sertraline",), ()),
        (concept(RXNORM, "312941"), ("sertraline",), ()),
        ({"text": "Citalopram"}, ("citalopram",), ()),
        ({"coding": [{"system": SNOMED, "code": "1", "display": "citalopram"}]}, ("citalopram",), ()),
        ({"text": "SSRI"}, (), ("ssri",)),
        ({"text": "Benzodiazepines"}, (), ("benzodiazepine",)),
        ({"text": "Peanut"}, (), ()),
    ],
)
def test_an_allergen_is_known_by_code_text_or_class(
    code: Resource, ingredients: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    """RxNorm codes, drug names and class names are understood; anything else stays unresolved."""
    (found,) = adapted(allergy("a", code)).patient.allergies
    assert (found.ingredients, found.classes) == (ingredients, classes)


@pytest.mark.parametrize(
    "fields",
    [
        {"clinicalStatus": concept("x", "inactive")},
        {"clinicalStatus": concept("x", "resolved")},
        {"verificationStatus": concept("x", "refuted")},
        {"verificationStatus": concept("x", "entered-in-error")},
    ],
)
def test_an_allergy_that_is_over_or_wrong_is_refused(fields: Resource) -> None:
    """Inactive, resolved, refuted and mistaken allergies are no allergies."""
    found = adapted(allergy("a", concept(RXNORM, "36437"), **fields)).patient
    assert found.allergies == ()
    assert len(found.refusals) == 1


def test_an_allergy_without_a_status_counts() -> None:
    """An AllergyIntolerance without any status is an allergy."""
    assert len(adapted(allergy("a", concept(RXNORM, "36437"))).patient.allergies) == 1


@pytest.mark.parametrize("code", ["716186003", "409137002"])
def test_none_known_is_a_whole_list_without_entries(code: str) -> None:
    """No known (drug) allergy supplies the list and holds nothing."""
    found = adapted(allergy("a", concept(SNOMED, code))).patient
    assert (found.allergies, found.lists["allergies"]) == ((), "supplied")


def test_an_allergy_without_a_code_leaves_the_list_incomplete() -> None:
    """An AllergyIntolerance that names nothing never looks like no allergy."""
    found = adapted(allergy("a", {})).patient
    assert (found.allergies, found.lists["allergies"]) == ((), "partial")


def test_the_fixture_of_shapes() -> None:
    """Of five resources four are allergies and the resolved one is refused."""
    found = fixture("allergies_shapes").patient
    assert [one.source.reference.split("/")[1] for one in found.allergies] == [
        "by-class",
        "by-code",
        "by-text",
        "peanut",
    ]
