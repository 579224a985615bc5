"""The languages of a card: whole, alike, in their own words, and never pushing."""

import re
from collections.abc import Iterator
from importlib.resources import files
from string import Formatter
from typing import Any

import msgspec
import pytest

from fhir_adapters.survey.wanted import templates
from recommender.assessment import Prediction
from recommender.dose.tapers import PHARMACIST
from service.cds import cards, language, order_cards
from service.cds.language import ENGLISH, LANGUAGES
from service.cds.sections import not_supplied
from service.cds.words import day, fact, in_ten, number, plain, pushes
from service.errors import ConfigError
from service.settings_file import load
from tests.fixtures.assessments import TODAY

OTHERS = tuple(one for one in LANGUAGES if one != "en")
# Words of English that neither German nor Spanish has.
WORDS = (
    *(
        "the",
        "of",
        "and",
        "not",
        "is",
        "on",
        "with",
        "for",
        "by",
        "this",
        "that",
        "to",
        "drug",
        "dose",
        "draft",
        "order",
    ),
    *("patients", "review", "record", "known", "see", "why", "today", "now", "who", "guidelines", "warning", "nothing"),
    *("options", "either", "told", "people", "changed", "missing", "answered", "checked", "trained", "knowledge"),
)


def phrases(spoken: str) -> Iterator[tuple[str, str]]:
    """Yield every phrase of a language with its place; the patterns of words that push are none."""
    raw: dict[str, Any] = msgspec.to_builtins(language.of(spoken))
    for key, value in raw.items():
        found = (
            value.items()
            if isinstance(value, dict)
            else enumerate(value)
            if isinstance(value, tuple)
            else [("", value)]
        )
        if key != "pushing":
            yield from ((f"{key}.{part}", text) for part, text in found)


def text(spoken: str) -> str:
    """Return the file of a language."""
    return (files(language) / f"{spoken}.toml").read_text("utf-8")


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_every_language_is_whole(spoken: str) -> None:
    """A language has every phrase of the English one, with the same placeholders."""
    assert language.read(text(spoken), ENGLISH, spoken) == language.of(spoken)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('tied = "', '# tied = "'), "tied"),
        (('tied = "', 'tide = "x"\ntied = "'), "tide"),
        (('score_before = " ({value}', 'score_before = " ({worth}'), "score_before: fills in"),
        (('{ one = "{names} y', '{ one = "y'), "and_others.one: fills in"),
        (('now = "ahora"', '# now = "ahora"'), "urgencies.now is missing"),
        (('now = "ahora"', 'now = "ahora"\nsoon = "pronto"'), "urgencies.soon is not known"),
        (('"ene", ', ""), "months has 11 entries"),
        (('missing = "**Datos que faltan.**"', 'missing = ""'), "missing is empty"),
        (('missing = "**Datos que faltan.**"', "missing = 3"), "missing"),
        (('missing = "**Datos que faltan.**"', 'missing = "'), "es"),
        (('missing = "**Datos que faltan.**"', 'missing = "{"'), "es"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_when_it_is_read(change: tuple[str, str], said: str) -> None:
    """A phrase that is missing, too many, empty or filled in otherwise ends the start, and never a rendering."""
    changed = text("es").replace(*change)
    assert changed != text("es")
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        language.read(changed, ENGLISH, "es")
    assert refused.value.code == "U-CONFIG-VALUE"


def test_a_language_that_is_not_there_is_refused_at_start(tmp_path: Any) -> None:
    """A tenant in an unknown language keeps the service from starting, with the key's name."""
    file = tmp_path / "undersign.toml"
    file.write_text('[[ehr]]\nid = "a"\nname = "A"\nfhir_base = "https://a.example/fhir"\nlanguage = "fr"\n')
    with pytest.raises(ConfigError, match="language"):
        load(file)
    with pytest.raises(ConfigError, match="fr"):
        language.of("fr")


@pytest.mark.parametrize("spoken", OTHERS)
def test_no_english_stands_in_another_languages_phrases(spoken: str) -> None:
    """No phrase of a translation holds one of the English words that every card in English has."""
    english = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
    found = {key: english.findall(re.sub(r"\{\w+\}", "", said)) for key, said in phrases(spoken)}
    assert {key: words for key, words in found.items() if words} == {}


@pytest.mark.parametrize("spoken", OTHERS)
def test_a_translation_translates(spoken: str) -> None:
    """A phrase that is the same as in English is a name, a number or a word that both languages have."""
    english = dict(phrases("en"))
    same = {key for key, said in phrases(spoken) if said == english[key] and re.search(r"[a-z]{4}", said)}
    shared = {"conditions.mdd", "conditions.major-depressive-disorder", "topics.crisis", "months.8"}
    templates_alone = {key for key in same if not re.search(r"[a-z]{4}", re.sub(r"\{\w+\}", "", english[key]))}
    assert same - templates_alone <= shared


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_no_phrase_pushes(spoken: str) -> None:
    """No phrase of ours tells anybody what to do; the override reasons in English are HL7's own words."""
    say = language.of(spoken)
    pushing = [key for key, said in phrases(spoken) if pushes(said, say)]
    assert [key for key in pushing if not (spoken == "en" and "override_reasons." in key)] == []


@pytest.mark.parametrize(
    ("spoken", "said"),
    [
        ("en", "You should switch"),
        ("de", "Sie sollten umstellen"),
        ("de", "Umstellung empfohlen"),
        ("de", "Das beste Arzneimittel"),
        ("de", "You should switch"),
        ("es", "Debería cambiar"),
        ("es", "Se recomienda cambiar"),
        ("es", "El mejor fármaco"),
    ],
)
def test_a_word_that_pushes_is_known_in_each_language(spoken: str, said: str) -> None:
    """Each language knows its own words that push, and the English ones of rules."""
    assert pushes(said, language.of(spoken))


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_tables_have_as_many_columns_in_each_language(spoken: str) -> None:
    """The head of a table has the columns that its rows have."""
    say = language.of(spoken)
    assert (say.columns.count("|"), say.columns_unranked.count("|")) == (5, 3)


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_summaries_leave_room_for_what_is_filled_in(spoken: str) -> None:
    """Every summary of ours without a fact in it stays under 140 characters with the longest condition."""
    say = language.of(spoken)
    longest = max(say.conditions.values(), key=len)
    plain_ones = [
        said.format(condition=longest)
        for key, said in phrases(spoken)
        if key.startswith("head_") and {name for _, name, _, _ in Formatter().parse(said) if name} <= {"condition"}
    ]
    assert len(plain_ones) >= 11
    assert max(map(len, plain_ones)) < 140


def test_what_was_not_supplied_has_words_for_every_prefetch_key() -> None:
    """Whatever a prefetch key holds can be said in every language, whole or in part."""
    for spoken in LANGUAGES:
        assert {one.holds for one in templates()} == set(language.of(spoken).holds)
    said = not_supplied(["gene results", "consents (only in part)"], language.of("de"))
    assert said == "Nicht übermittelt: genetische Befunde, Einwilligungserklärungen (nur teilweise)."


def test_topics_have_words() -> None:
    """Every topic that a card can have is named in the languages, and no other."""
    used = {cards.OPTIONS, "finding", "order-pending", order_cards.SELECTED, order_cards.SIGNING}
    assert used | set(cards.TOPIC_OF.values()) == set(ENGLISH.topics)


def test_the_plan_without_a_row_is_said_as_the_recommender_says_it() -> None:
    """A change-over that no row holds reads the same on the card and in the recommender's plan."""
    assert ENGLISH.ways["unknown"] == PHARMACIST


@pytest.mark.parametrize(
    ("spoken", "figures"),
    [
        ("en", ("3 in 10 (2 to 4)", "22 Nov 2026", "37.5")),
        ("de", ("3 von 10 (2 bis 4)", "22. Nov. 2026", "37,5")),
        ("es", ("3 de cada 10 (2 a 4)", "22 nov 2026", "37,5")),
    ],
)
def test_figures_are_written_as_each_language_writes_them(spoken: str, figures: tuple[str, str, str]) -> None:
    """A probability, a date and a dose stand in the form of the language."""
    say = language.of(spoken)
    assert (in_ten(Prediction(0.31, 0.22, 0.41), say), day(TODAY, say), number(37.5, say)) == figures


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Ibuprofen since 2026-09-23: bleeding", "Ibuprofen since 23 Sep 2026: bleeding"),
        ("above 20 mg (SR035: Age 63: the ceiling)", "above 20 mg (Age 63: the ceiling)"),
        ("CYP2C19 poor metabolizer: CPIC", "CYP2C19 poor metabolizer: CPIC"),
        ("on 2026-13-45", "on 2026-13-45"),
        ("knowledge 2026-11-22+abc", "knowledge 2026-11-22+abc"),
        ("Observation/2026-11-22", "Observation/2026-11-22"),
    ],
)
def test_words_of_rules_have_dates_that_people_read_and_no_keys(message: str, said: str) -> None:
    """A date in a rule's words is written out, a row's key is left out; what is neither stays as it is."""
    assert plain(message, ENGLISH) == said


def test_a_fact_is_what_stands_before_its_consequence() -> None:
    """Of a message only what the chart says is taken, its date written out."""
    assert fact("Seen on 2026-11-03: ask again.", ENGLISH) == "Seen on 3 Nov 2026"
    assert fact("Age 16.", ENGLISH) == "Age 16"
