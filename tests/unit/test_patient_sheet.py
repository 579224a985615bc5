"""The patient's sheet: plain words, what is not known is said, and nothing of the record is left unnamed."""

import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fhir_adapters.vector.schema import FEATURES
from service.cds.language import LANGUAGES
from service.drafts.canonical_json import dumps
from service.drafts.records import Draft, State
from service.drafts.states import AWAITING, SIGNED
from service.web import patient_sheet, sheet_texts
from service.web.patient_sheet import Sheet
from tests.contract import samples

TEXTS = sheet_texts.of("en")
SLEEPY = {"p": 0.22, "low": 0.09, "high": 0.46}


def draft(state: State = "held", **context: Any) -> Draft:
    """Return a held draft with a context."""
    return replace(samples.held_draft(), ingredient="mirtazapine", state=state, context=dumps(context))


def sheet(*drafts: Draft, is_open: bool = True, boxed: tuple[str, ...] = ()) -> Sheet:
    """Return the sheet of drafts."""
    return patient_sheet.sheet(drafts, {"mirtazapine": boxed}, "Ana Cruz", TEXTS, is_open=is_open)


def _phrases() -> list[str]:
    plain = msgspec.to_builtins(TEXTS)
    found: list[str] = []
    for value in plain.values():
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            found += value.values()
        else:
            found += value
    return [re.sub(r"\{\w+\}", "two", text) for text in found]


def _syllables(word: str) -> int:
    found = len(re.findall(r"[aeiouy]+", word.lower()))
    return max(1, found - (word.lower().endswith("e") and not word.lower().endswith("le")))


def test_the_texts_read_at_an_age_of_about_twelve() -> None:
    """By Flesch and Kincaid the sheet is at school grade six or below, and no sentence has more than 25 words."""
    sentences = [re.findall(r"[A-Za-z']+", one) for text in _phrases() for one in re.split(r"[.?!:]", text)]
    sentences = [words for words in sentences if words]
    words = [word for sentence in sentences for word in sentence]
    grade = 0.39 * len(words) / len(sentences) + 11.8 * sum(map(_syllables, words)) / len(words) - 15.59
    assert grade <= 6
    assert max(map(len, sentences)) <= 25


def test_every_feature_of_a_record_has_words() -> None:
    """Each feature that can be read belongs to exactly one kind of entry, so that none is used in silence."""
    named = [name for features in sheet_texts.reading().values() for name in features]
    assert sorted(named) == sorted(feature.name for feature in FEATURES)


def test_what_was_read_and_what_was_missing_is_said() -> None:
    """Only kinds of entries and lists that were found are named; missing inputs are counted."""
    kept = {"lists": ["allergies", "consents"]}
    found = sheet(draft(facts=[{"name": "phq9_total"}, {"name": "bmi"}], unknowns=["a", "b"], chart=kept))
    assert found.read == ["your answers about your mood and worries", "height and weight", "your allergies"]
    assert found.missing.startswith("2 things")
    assert sheet(draft(unknowns=["a"])).missing == TEXTS.missing_one
    assert sheet(draft()).missing == ""


def test_a_side_effect_has_a_range_or_is_said_not_to_be_known() -> None:
    """A figure comes with its range; what has none is named, and a drug without any figure says that."""
    (one,) = sheet(draft(predictions={"sedation": SLEEPY})).medicines
    assert one.effects == ["Feeling sleepy: about 22 in 100 (9 to 46)"]
    assert "problems with sex" in one.unknown
    assert "feeling sleepy" not in one.unknown
    (none,) = sheet(draft()).medicines
    assert (none.effects, none.unknown) == ([], TEXTS.effects_none)


def test_a_warning_of_the_label_is_never_left_out() -> None:
    """A boxed warning has its sentence, and one without a sentence of its own says that there is a warning."""
    found = sheet(draft(), boxed=("suicidality_under_25", "something_new"))
    assert dict(found.warnings) == {
        TEXTS.boxed["suicidality_under_25"]: "mirtazapine",
        TEXTS.boxed_other: "mirtazapine",
    }


@pytest.mark.parametrize("state", [state for state in SIGNED if state != AWAITING])
def test_what_was_signed_is_said(state: State) -> None:
    """After a signature the sheet names the medicine, while its time runs it says nothing, and then that none was."""
    assert sheet(draft(state)).outcome == "Your doctor or nurse has signed for: mirtazapine."
    assert sheet(draft()).outcome == sheet(draft(AWAITING)).outcome == ""
    assert sheet(draft("overridden"), is_open=False).outcome == TEXTS.ended


def test_side_effects_are_told_of_what_was_signed_alone() -> None:
    """Once one choice is signed, the others stay in the list of choices and no longer among the side effects."""
    other = replace(draft("superseded"), ingredient="paroxetine")
    found = sheet(draft("confirmed"), other)
    assert [one.name for one in found.choices] == ["mirtazapine", "paroxetine"]
    assert [one.name for one in found.medicines] == ["mirtazapine"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same(language: str) -> None:
    """A sheet in any language has every phrase, fills in the same values, and names the same kinds of entries."""
    found, english = (msgspec.to_builtins(sheet_texts.of(one)) for one in (language, "en"))
    assert {key: _fills(value) for key, value in found.items()} == {
        key: _fills(value) for key, value in english.items()
    }
    assert found["groups"].keys() == sheet_texts.reading().keys()


def _fills(value: Any) -> Any:
    """Return what a phrase fills in, of each phrase of a list or table."""
    if isinstance(value, dict):
        return {name: _fills(one) for name, one in value.items()}
    return [sorted(re.findall(r"\{\w+\}", one)) for one in ([value] if isinstance(value, str) else value)]


@pytest.mark.parametrize(("language", "taken"), [("en", "15 mg, once a day"), ("de", "15 mg, einmal am Tag")])
def test_how_it_is_taken_is_in_the_sheets_language(language: str, taken: str) -> None:
    """A daily dose is told from its codes in the language of the sheet; any other stays as it was written."""
    dose = {"value": 15, "unit": "mg"}
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    daily = {"text": "one tablet", "timing": timing, "doseAndRate": [{"doseQuantity": dose}]}
    others = [
        {"timing": {"repeat": {"dayOfWeek": ["mon"]}}},
        {**daily, "asNeededCodeableConcept": {"text": "panic"}},
        {**daily, "timing": {"repeat": {**timing["repeat"], "frequencyMax": 4}}},
        {**daily, "timing": {"repeat": {**timing["repeat"], "when": ["HS"]}}},
        {**daily, "sequence": 1},
    ]
    for other in others:
        held = replace(draft(), resource=dumps({"dosageInstruction": [daily, {**other, "text": "as written"}]}))
        found = patient_sheet.sheet([held], {}, "Ana Cruz", sheet_texts.of(language), is_open=True)
        assert found.choices[0].taken == f"{taken}; as written"
