"""AllergyIntolerances to allergies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.canonical import Allergy
from fhir_adapters.problem import allergen_tables
from tests.fixtures.resources import RXNORM, SNOMED, Resource, adapted, allergy, concept, fixture

ATC = "http://www.whocc.no/atc"
UNKNOWN = concept(RXNORM, "999999999", "unheard-of")


def read(code: Resource, **fields: object) -> Allergy:
    """Read one allergy."""
    (found,) = adapted(allergy("a", code, **fields)).patient.allergies
    return found


@pytest.mark.parametrize(
    ("code", "ingredients", "classes"),
    [
        (concept(RXNORM, "36437"), ("sertraline",), ()),
        (concept(RXNORM, "312941"), ("sertraline",), ()),
        ({"text": "Citalopram"}, ("citalopram",), ()),
        ({"text": "Allergy to sertraline"}, ("sertraline",), ()),
        ({"text": "Lamotrigine allergy"}, ("lamotrigine",), ()),
        ({"coding": [{"system": SNOMED, "code": "1", "display": "citalopram"}]}, ("citalopram",), ()),
        ({"text": "SSRI"}, (), ("ssri",)),
        ({"text": "SSRIs"}, (), ("ssri",)),
        ({"text": "Tricyclic antidepressants"}, (), ("tca",)),
        ({"text": "Benzodiazepines"}, (), ("benzodiazepine",)),
        (concept(SNOMED, "373253007"), (), ("tca",)),
        (concept(SNOMED, "764146007"), (), ("penicillin",)),
        (concept(ATC, "N06AB"), (), ("ssri",)),
        ({"text": "sulfa"}, (), ("sulfonamide",)),
        ({"text": "Penicillins"}, (), ("penicillin",)),
        ({"text": "Peanut"}, (), ("food",)),
        (concept(SNOMED, "111088007"), (), ("environment",)),
        ({"text": "Peanut and sertralin"}, (), ()),
        ({"text": "no SSRI"}, (), ()),
        (UNKNOWN, (), ()),
    ],
)
def test_an_allergen_is_known_by_code_text_or_class(
    code: Resource, ingredients: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    """Codes, drug names, class names and foods are understood as they stand; anything else stays unresolved."""
    found = read(code)
    assert (found.ingredients, found.classes) == (ingredients, classes)


@pytest.mark.parametrize(
    ("code", "category", "classes"),
    [
        ({"text": "grandmother's soup"}, ["food"], ("food",)),
        ({"text": "something outside"}, ["environment"], ("environment",)),
        ({"text": "grandmother's soup"}, [], ()),
        ({"text": "grandmother's soup"}, ["medication"], ()),
        ({"text": "grandmother's soup"}, ["food", "medication"], ()),
        (UNKNOWN, ["food"], ()),
        (concept(RXNORM, "6211", "LACTOSE"), ["medication"], ()),
        ({"text": "Lactose"}, [], ("food",)),
        ({"text": "Nickel"}, ["medication"], ("environment",)),
    ],
)
def test_a_category_of_food_or_surroundings_counts_only_where_nothing_is_a_drug(
    code: Resource, category: list[str], classes: tuple[str, ...]
) -> None:
    """An unread allergen is a food only by its category alone and without a drug's code."""
    assert read(code, category=category).classes == classes


def test_a_drug_that_is_called_a_food_is_a_drug() -> None:
    """Sertraline under the category food is an allergy to sertraline."""
    assert read(concept(RXNORM, "36437"), category=["food"]).ingredients == ("sertraline",)


def test_the_substances_of_reactions_add_and_never_put_an_unread_code_aside() -> None:
    """A reaction to sertraline is one; a reaction to peanuts does not settle an allergen that is not read."""
    drug = [{"substance": concept(RXNORM, "36437")}]
    food = [{"substance": concept(SNOMED, "762952008")}]
    assert read({"text": "antidepressants"}, reaction=drug).ingredients == ("sertraline",)
    assert read(UNKNOWN, reaction=food).classes == ()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Sertraline"),
        ({"type": "allergy"}, "Sertraline"),
        ({"type": "intolerance"}, "Sertraline (intolerance)"),
        ({"criticality": "high"}, "Sertraline (high risk)"),
        ({"type": "intolerance", "criticality": "high"}, "Sertraline (intolerance, high risk)"),
    ],
)
def test_what_kind_of_reaction_it_is_stays_in_the_words(fields: Resource, text: str) -> None:
    """An intolerance and a high criticality are named behind the allergen."""
    assert read({"text": "Sertraline"}, **fields).text == text


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


@pytest.mark.parametrize("verification", ["unconfirmed", "presumed", "confirmed"])
def test_an_allergy_need_not_be_confirmed(verification: str) -> None:
    """An unconfirmed or presumed allergy counts."""
    assert read(concept(RXNORM, "36437"), verificationStatus=concept("x", verification)).ingredients


def test_an_allergy_without_a_status_counts() -> None:
    """An AllergyIntolerance without any status is an allergy."""
    assert len(adapted(allergy("a", concept(RXNORM, "36437"))).patient.allergies) == 1


@pytest.mark.parametrize("code", ["716186003", "409137002"])
def test_none_known_is_a_whole_list_without_entries(code: str) -> None:
    """No known (drug) allergy supplies the list and holds nothing."""
    found = adapted(allergy("a", concept(SNOMED, code))).patient
    assert (found.allergies, found.lists["allergies"]) == ((), "supplied")


@pytest.mark.parametrize(
    ("none", "listed", "named"),
    [
        ("716186003", concept(RXNORM, "36437"), True),
        ("716186003", {"text": "Peanut"}, True),
        ("409137002", concept(RXNORM, "36437"), True),
        ("409137002", UNKNOWN, True),
        ("409137002", {"text": "Peanut"}, False),
        ("429625007", concept(RXNORM, "36437"), False),
    ],
)
def test_none_known_beside_a_listed_allergy_is_named_and_the_allergy_stays(
    none: str, listed: Resource, named: bool
) -> None:
    """The statement is refused by name where the listed allergy is of the kind that it denies."""
    found = adapted(allergy("none", concept(SNOMED, none)), allergy("a", listed)).patient
    assert len(found.allergies) == 1
    assert [(one.reference, one.reason) for one in found.refusals] == (
        [("AllergyIntolerance/none", "none-known-beside-listed")] if named else []
    )


@pytest.mark.parametrize("code", [{}, concept("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown")])
def test_an_allergy_without_a_code_leaves_the_list_incomplete(code: Resource) -> None:
    """An AllergyIntolerance that names nothing never looks like no allergy."""
    found = adapted(allergy("a", code)).patient
    assert (found.allergies, found.lists["allergies"]) == ((), "partial")


@given(st.sampled_from(sorted(allergen_tables.load().texts)), st.sampled_from(["no ", "not ", "except "]))
def test_a_known_allergen_with_a_further_word_is_not_known(text: str, word: str) -> None:
    """No class is read from a text that says more than the class."""
    assert allergen_tables.load().of_texts([word + text]) == frozenset()


def test_the_fixture_of_shapes() -> None:
    """Of five resources four are allergies and the resolved one is refused."""
    found = fixture("allergies_shapes").patient
    assert [one.source.reference.split("/")[1] for one in found.allergies] == [
        "by-class",
        "by-code",
        "by-text",
        "peanut",
    ]
