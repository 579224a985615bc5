"""What is heard in the words of a problem that nobody could read whole."""

import pytest

from fhir_adapters.canonical import Diagnosis
from tests.fixtures.resources import ICD10CM, SNOMED, Resource, adapted, concept, condition

HEARD = ("self_harm_unread",)


def read(code: Resource) -> Diagnosis:
    """Read one active Condition."""
    (found,) = adapted(condition("c", code)).patient.diagnoses
    return found


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("Suicide attempt 2 weeks ago", True),
        ("Intentional overdose of paracetamol", True),
        ("Poisoning by amitriptyline", True),
        ("Non-suicidal self-injury, left arm", True),
        ("Depression without psychosis, suicidal thoughts at night", True),
        ("No depression but suicidal thoughts at night", True),
        ("rule out suicide attempt", True),
        ("no suicidal ideation today", False),
        ("Denies suicidal ideation, self-harm and plans", False),
        ("patient denied suicidal plans", False),
        ("Suicidal ideation: none", False),
        ("Suicide attempt ruled out", False),
        ("Accidental paracetamol overdose", False),
        ("At risk for opioid overdose", False),
        ("Food poisoning in June", False),
        ("Mother died by suicide in 2019", False),
        ("family history of suicide", False),
        ("low mood", False),
    ],
)
def test_a_stem_of_self_harm_is_heard_unless_denied_accidental_or_of_a_relative(text: str, heard: bool) -> None:
    """Words that nobody could read give one key when they name self-harm of the patient, and no other ever."""
    assert read({"text": text}).keys == (HEARD if heard else ())


def test_what_was_heard_is_still_not_understood() -> None:
    """A problem of which only a stem was heard leaves the problem list in part."""
    found = adapted(condition("c", {"text": "Suicide attempt 2 weeks ago"})).patient
    assert found.lists["conditions"] == "partial"
    assert [one.reason for one in found.refusals] == ["problem-not-understood"]


def test_words_of_the_past_put_it_there() -> None:
    """A history of an attempt is no present problem, and says that its words told it."""
    found = read({"text": "history of suicide attempt in 2010"})
    assert (found.keys, found.active) == (HEARD, False)
    assert "text-says-past" in found.source.repairs


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        ({**concept(ICD10CM, "F33.2"), "text": "Depression with suicidal thoughts"}, {"mdd", "self_harm_unread"}),
        ({**concept(ICD10CM, "F33.2"), "text": "Depression, no suicidal thoughts"}, {"mdd"}),
        ({**concept(ICD10CM, "R45.851"), "text": "Suicidal ideation without plan"}, {"suicidal_ideation"}),
        ({**concept(ICD10CM, "T39.1X1A"), "text": "Paracetamol overdose"}, set[str]()),
        (concept(SNOMED, "295830004", "Paracetamol overdose"), {"self_harm_unread"}),
        (concept(SNOMED, "59274003", "Intentional drug overdose"), {"self_harm"}),
        (concept(SNOMED, "55680006", "Drug overdose"), {"poisoning_undetermined"}),
    ],
)
def test_words_beside_a_code_add_what_it_does_not_say(code: Resource, keys: set[str]) -> None:
    """Self-harm in words is heard beside a code of something else, and left to a code that tells of it."""
    assert set(read(code).keys) == keys
