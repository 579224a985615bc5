"""Suggested lines: each is pasted into a profile, as the report prints it, and the feature is then fed."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt_chart
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect import profile
from fhir_adapters.dialect.code_systems import ICD10CM, ICD10GM
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.facts import Reading
from fhir_adapters.reading import reader
from fhir_adapters.survey import lookalikes
from fhir_adapters.survey.coverage import Coverage, sightings
from fhir_adapters.survey.pasting import pasted
from fhir_adapters.survey.suggestions import MAPS, Suggestion, heading, meanings, without_contradictions
from tests.fixtures.fhir import Json, allergy, condition, observation, patient, request, response

DAY = date(2026, 11, 22)
LOCAL = "urn:north:lab"
UCUM = "http://unitsofmeasure.org"
BASE = profile.load("base-r4")
PHQ9 = (
    "Little interest or pleasure in doing things",
    "Feeling down, depressed, or hopeless",
    "Trouble falling or staying asleep, or sleeping too much",
    "Feeling tired or having little energy",
    "Poor appetite or overeating",
    "Feeling bad about yourself - or that you are a failure or have let yourself or your family down",
    "Trouble concentrating on things, such as reading the newspaper or watching television",
    "Moving or speaking so slowly that other people could have noticed. Or the opposite - being so fidgety or "
    "restless that you have been moving around a lot more than usual",
    "Thoughts that you would be better off dead, or of hurting yourself in some way",
)


def coded(system: str | None, code: str, display: str | None = None, text: str | None = None) -> Json:
    """Return a CodeableConcept of one coding."""
    coding = {"system": system, "code": code, "display": display}
    concept: Json = {"coding": [{key: value for key, value in coding.items() if value is not None}]}
    return concept if text is None else {**concept, "text": text}


def quantity(value: float, unit: str, code: str | None = None) -> Json:
    """Return a Quantity, with a UCUM code where one is given."""
    return {"value": value, "unit": unit} | ({"system": UCUM, "code": code} if code else {})


def form(texts: tuple[str, ...], **changes: Any) -> Json:
    """Return a completed form whose linkIds are letters and whose answers are all "Several days"."""
    answer = [{"valueCoding": {"system": "http://loinc.org", "code": "LA6569-3"}}]
    items = [{"linkId": f"{chr(97 + i)}", "text": text, "answer": answer} for i, text in enumerate(texts)]
    return response(item=items, authored="2026-11-01", **changes)


class Case(NamedTuple):
    """What an EHR writes, the line for it, the feature or list that it feeds, and what that then is."""

    resource: Json
    table: str
    line: str
    feeds: str
    value: object


LOINC, RXNORM, SNOMED = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm", "http://snomed.info/sct"
CASES = {
    "LOINC under a name of the site": Case(
        observation(code=coded("urn:north:loinc", "2951-2")), "systems", f'"urn:north:loinc" = "{LOINC}"', "sodium", 139
    ),
    "LOINC under SNOMED's name": Case(
        observation(code=coded(SNOMED, "2951-2")), MAPS,
        f"{SNOMED},2951-2,{LOINC},2951-2,equivalent,2951-2", "sodium", 139,
    ),
    "a local code with a name": Case(
        observation(code=coded(LOCAL, "NA-S", "Sodium, serum")), MAPS,
        f'{LOCAL},NA-S,{LOINC},2951-2,equivalent,"Sodium, serum"', "sodium", 139,
    ),
    "a local code of moles": Case(
        observation(code=coded(LOCAL, "GLU", text="Glucose"), valueQuantity=quantity(5.0, "mmol/L", "mmol/L")), MAPS,
        f"{LOCAL},GLU,{LOINC},14749-6,equivalent,Glucose", "glucose", pytest.approx(90.1, abs=0.1),
    ),
    "a text without a code": Case(
        observation(code={"text": "Natrium:"}), "observations.texts", '"Natrium:" = "sodium"', "sodium", 139
    ),
    "a text with signs of TOML in it": Case(
        observation(code={"text": 'Sodium "serum"'}), "observations.texts",
        '"Sodium \\"serum\\"" = "sodium"', "sodium", 139,
    ),
    "a unit that is nearly written so": Case(
        observation(code=coded(LOINC, "14334-7"), valueQuantity=quantity(0.8, "mmols/Ltr")), "units.lithium_level",
        '"mmols/Ltr" = "mmol/L"', "lithium_level", 0.8,
    ),
    "a unit code that is no UCUM": Case(
        observation(valueQuantity=quantity(139, "mmol/L", "mmols/Ltr")), "units.sodium",
        '"mmols/Ltr" = "mmol/L"', "sodium", 139,
    ),
    "a component with a local code": Case(
        observation(
            code=coded(LOCAL, "BP"), valueQuantity=None,
            component=[{"code": coded(LOCAL, "SYS", "BP systolic"), "valueQuantity": quantity(120, "mmHg", "mm[Hg]")}],
        ),
        MAPS, f"{LOCAL},SYS,{LOINC},8480-6,equivalent,BP systolic", "systolic_bp", 120,
    ),
    "a local code of a result": Case(
        observation(
            code=coded(LOINC, "72166-2"), valueQuantity=None,
            valueCodeableConcept=coded(LOCAL, "S1", "Current every day smoker"),
        ),
        MAPS, f"{LOCAL},S1,{LOINC},LA18976-3,equivalent,Current every day smoker", "smoking_status", "smoker_daily",
    ),
    "a local code of a total": Case(
        observation(code=coded(LOCAL, "PHQ", "PHQ-9"), valueQuantity=None, valueInteger=14),
        "instruments.codes", f'"{LOCAL}|PHQ" = "phq9.total"', "phq9_total", 14,
    ),
    "a local code of an item": Case(
        observation(code=coded(LOCAL, "PHQ.9", PHQ9[8]), valueQuantity=None, valueInteger=1),
        "instruments.codes", f'"{LOCAL}|PHQ.9" = "phq9.item9_self_harm"', "phq9_item9", 1,
    ),
    "a form's question": Case(
        form(PHQ9), "instruments.link_ids", '"i" = "phq9.item9_self_harm"', "phq9_total", 9
    ),
    "a local code of an answer": Case(
        response(
            authored="2026-11-01",
            item=[{"linkId": "/44260-8", "answer": [
                {"valueCoding": {"system": LOCAL, "code": "A3", "display": "Nearly every dai"}}]}],
        ),
        "instruments.answers.phq_gad_frequency", f'"{LOCAL}|A3" = 3', "phq9_item9", 3,
    ),
    "the words of an answer": Case(
        response(authored="2026-11-01", item=[{"linkId": "/44260-8", "answer": [{"valueString": "not at al"}]}]),
        "instruments.answer_texts.phq_gad_frequency", '"not at al" = 0', "phq9_item9", 0,
    ),
    "a local code of a drug": Case(
        request(medicationCodeableConcept=coded(LOCAL, "S50", "SERTRALIN Nordpharm 50 mg Dragees XQ")), MAPS,
        f"{LOCAL},S50,{RXNORM},36437,wider,sertraline from SERTRALIN Nordpharm 50 mg Dragees XQ",
        "medications", "sertraline",
    ),
    "an RxNorm code that no table has": Case(
        request(medicationCodeableConcept=coded(RXNORM, "99999999", "sertraline Nordpharm XQ")), MAPS,
        f"{RXNORM},99999999,http://www.whocc.no/atc,N06AB06,wider,sertraline from sertraline Nordpharm XQ",
        "medications", "sertraline",
    ),
    "ATC under a name of the site": Case(
        request(medicationCodeableConcept=coded("urn:north:atc", "N06AB06")), "systems",
        '"urn:north:atc" = "http://www.whocc.no/atc"', "medications", "sertraline",
    ),
    "ICD-10-CM under a name of the site": Case(
        condition(code=coded("urn:north:icd10cm", "F33.1", "MDD rec mod")), "systems",
        '"urn:north:icd10cm" = "http://hl7.org/fhir/sid/icd-10-cm"', "depression", True,
    ),
    "a local code of a problem": Case(
        condition(code=coded(LOCAL, "4711", "Major depressive disordr")), MAPS,
        f"{LOCAL},4711,{SNOMED},370143000,equivalent,Major depressive disordr", "depression", True,
    ),
    "a local code of an allergen": Case(
        allergy(code=coded(LOCAL, "A9", "CITALOPRAM Nordpharm XQ")), MAPS,
        f"{LOCAL},A9,{RXNORM},2556,wider,citalopram from CITALOPRAM Nordpharm XQ", "allergies", "citalopram",
    ),
}  # fmt: skip


def read(resource: Json, dialect: Profile) -> tuple[Reading, Adapted]:
    """Read one resource of the patient."""
    raw = json.dumps([patient(), {key: value for key, value in resource.items() if value is not None}]).encode()
    reading = Reading(reader.read(raw, repairs=dialect.repairs), dialect, terminology.load())
    return reading, adapt_chart(reading, DAY)


def told(adapted: Adapted, feeds: str) -> object:
    """Return what a feature is, or the one ingredient of a list; None for nothing."""
    if feeds in ("medications", "allergies"):
        lists = {"medications": adapted.patient.medications, "allergies": adapted.patient.allergies}
        return next((name for one in lists[feeds] for name in one.ingredients), None)
    feature = adapted.features.features[feeds]
    return feature.value if feature.status == "present" else None


def written(folder: Path, lines: list[tuple[Suggestion, str]]) -> Profile:
    """Return the profile of a site with these lines in it, from its files."""
    tables: dict[str, list[str]] = {}
    for one, seen in lines:
        tables.setdefault(one.table, []).append(one.line(seen))
    text = 'extends = "base-r4"\nmaps = ["codes.csv"]\n'
    for table, held in tables.items():
        text += "" if table == MAPS else "\n".join(("", heading(table), *held, ""))
    (folder / "site.toml").write_text(text, "utf-8")
    (folder / "codes.csv").write_text("\n".join((heading(MAPS), *tables.get(MAPS, []), "")), "utf-8")
    return profile.load(str(folder / "site.toml"))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_pasted_line_feeds_what_it_says(case: Case, tmp_path: Path) -> None:
    """What was not read is read with the suggested lines, as they are printed, in a profile's own files."""
    reading, before = read(case.resource, BASE)
    seen = list(sightings(reading, before))
    lines = {one.suggestion: one.seen for one in seen}
    assert (case.table, case.line) in {(one.table, one.line(said)) for one, said in lines.items()} | {
        (one.table, one.line()) for one in lines
    }
    assert told(before, case.feeds) in (None, False)
    site = written(tmp_path, list(lines.items()))
    assert told(read(case.resource, site)[1], case.feeds) == case.value
    tried = pasted(BASE, list(lines))
    assert told(read(case.resource, tried)[1], case.feeds) == case.value


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_pasted_line_is_not_suggested_again(case: Case, tmp_path: Path) -> None:
    """A site that has pasted the lines sees none of them again."""
    reading, adapted = read(case.resource, BASE)
    lines = {one.suggestion: one.seen for one in sightings(reading, adapted)}
    reading, adapted = read(case.resource, written(tmp_path, list(lines.items())))
    assert {one.suggestion for one in sightings(reading, adapted)} & lines.keys() == set()


NONE = {
    "sodium in urine": observation(code=coded(LOCAL, "NAU", "Sodium, urine")),
    "sodium in urine, by LOINC": observation(code=coded(LOINC, "2955-3", "Sodium [Moles/volume] in Urine")),
    "a specimen in brackets": observation(code=coded(LOCAL, "NAU", "Sodium (urine)")),
    "a birth weight": observation(code={"text": "Birth weight"}, valueQuantity=quantity(3.2, "kg", "kg")),
    "a result that was entered in error": observation(code=coded(LOCAL, "NA", "Sodium"), status="entered-in-error"),
    "a number that is some code": observation(code=coded(LOCAL, "36437", "Visit number")),
    "a unit that is missing": observation(valueQuantity={"value": 139}),
    "a unit and a code that are two units": observation(valueQuantity=quantity(139, "mg/dL", "mmol/L")),
    "a local drug without a name": request(medicationCodeableConcept=coded(LOCAL, "S50")),
    "a drug that is not taken": request(medicationCodeableConcept=coded(LOCAL, "S0", "no sertraline since XQ")),
    "a local drug code that is some RxNorm code": request(medicationCodeableConcept=coded(LOCAL, "36437", "XQ")),
    "a family history": condition(code=coded(LOCAL, "9", "Family history of depressive disorder")),
    "a form's question of another kind": form(("What would you like to drink today, tea or coffee?",)),
    "a form that is not done": form(PHQ9, status="in-progress"),
    "LOINC's own code of another total": response(
        item=[{"linkId": "/76504-0", "text": "AUDIT-C", "answer": [{"valueInteger": 3}]}]
    ),
}


@pytest.mark.parametrize("resource", NONE.values(), ids=NONE.keys())
def test_nothing_is_suggested_for_what_is_something_else(resource: Json) -> None:
    """No line would have a measurement, a drug, a problem or an answer read as another one."""
    assert [one.suggestion for one in sightings(*read(resource, BASE)) if one.key] == []


def test_a_unit_unlike_any_other_is_for_a_person_to_decide() -> None:
    """A unit text that could be several of the analyte's units gives no line, and names the choices."""
    tally = Coverage(DAY, "base-r4")
    reading, adapted = read(observation(code=coded(LOINC, "2345-7"), valueQuantity=quantity(100, "XQ")), BASE)
    tally.add(reading, adapted)
    assert tally.lines() == []
    (choices,) = tally.undecided()
    assert {one.left for one in choices} == {"XQ"}
    assert {one.right for one in choices} >= {"mg/dL", "mmol/L"}


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("17861-6", "mval/L"),  # calcium: like mmol/L, and half of it
        ("14334-7", "mval/L"),  # lithium: mg/L is written as nearly so
        ("8867-4", "mval/L"),  # a pulse comes in one unit only, and this is not it
        ("3016-3", "zz"),  # TSH comes in one size only
    ],
)
def test_a_unit_is_never_guessed_from_its_looks_alone(code: str, unit: str) -> None:
    """A unit that is like two sizes, or like none, has no line, not even where the analyte has one unit only."""
    tally = Coverage(DAY, "base-r4")
    tally.add(*read(observation(code=coded(LOINC, code), valueQuantity=quantity(2.4, unit)), BASE))
    assert tally.lines() == []
    assert [{one.left for one in choices} for choices in tally.undecided()] == [{unit}]


def test_a_code_system_without_a_telling_name_is_for_a_person_to_decide() -> None:
    """A code that several classifications have is aliased to none of them, unless the system's name tells which."""
    tally = Coverage(DAY, "base-r4")
    tally.add(*read(condition(code=coded("urn:oid:1.2.3.4", "F33.1", "MDD rec mod")), BASE))
    assert tally.lines() == []
    (choices,) = tally.undecided()
    assert {one.right for one in choices} >= {ICD10CM, ICD10GM}


def test_a_link_id_that_two_forms_use_has_no_line() -> None:
    """A question of PHQ-9 in one form and of something else in another is no line, in one chart or in two."""
    other = form(("What would you like to drink today, tea or coffee?",), id="r2")
    for charts in ([[form(PHQ9), other]], [[form(PHQ9)], [other]]):
        tally = Coverage(DAY, "base-r4")
        for chart in charts:
            raw = json.dumps([patient(), *chart]).encode()
            reading = Reading(reader.read(raw), BASE, terminology.load())
            tally.add(reading, adapt_chart(reading, DAY))
        assert "a" not in {one.left for one, _ in tally.lines()}
        assert {one.left for one, _ in tally.lines()} == set("bcdefghi")
        assert [meanings(lines) for lines in tally.undecided()] == ["phq9.item1_interest or something else"]


@pytest.mark.parametrize("text", ["Sodium\x7f", "Sod\nium", "Sod\u2028ium", "sodium|", " ", "x" * 300])
def test_what_cannot_stand_in_a_profile_is_not_suggested(text: str) -> None:
    """No line has a control character, a line break or a bar in it."""
    assert [one.suggestion for one in sightings(*read(observation(code=coded(text, text, "Sodium")), BASE))] == []


def test_lines_that_contradict_each_other_are_told_apart() -> None:
    """A key has one line whatever its letters' size, and two meanings of it are neither."""
    same = [Suggestion("units.sodium", unit, "mmol/L", "wrong-unit") for unit in ("Mval/L", "mval / l")]
    two = [Suggestion("units.glucose", "x", unit, "wrong-unit") for unit in ("mg/dL", "mmol/L")]
    usable, unclear = without_contradictions([*same, *two])
    assert [one.table for one in usable] == ["units.sodium"]
    assert list(unclear.values()) == [two]


def test_what_the_profile_maps_already_is_not_mapped_again() -> None:
    """A code that the site has mapped elsewhere gets no second target, which the loader would refuse."""
    line = Suggestion(MAPS, f"{LOCAL}|NA", f"{LOINC}|1-8", "uncoded")
    reading, adapted = read(observation(code=coded(LOCAL, "NA", "Sodium")), pasted(BASE, [line]))
    assert list(sightings(reading, adapted)) == []


@pytest.mark.parametrize("left", ["mval/L", 'a "b" \\ c', "µmol/l", "ä{}=#", "a, b"])
def test_a_line_is_what_it_says_in_toml_and_in_csv(left: str) -> None:
    """Whatever an EHR writes stands in the line as it was."""
    line = Suggestion("units.sodium", left, "mmol/L", "wrong-unit").line()
    assert tomllib.loads(line) == {left: "mmol/L"}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        *(("Sodium", "sodium"), ("sodium, serum", "sodium"), ("Sodium (urine)", None)),
        *(("Body weight (measured)", "weight"), ("Body weight (birth)", None), ("Sodium [Moles/volume]", "sodium")),
        *(("LDL cholesterol", "ldl"), ("Cholesterol", "cholesterol_total"), ("Cholesterol/HDL ratio", None)),
        *(("Heart rate variability", None), ("Glucose fasting", "glucose_fasting"), ("Glucose goal", None), ("", None)),
        *(("Kreatinin i.S.", None), ("Kreatinin", "creatinine"), ("Pulse", "heart_rate"), ("x" * 5000, None)),
    ],
)  # fmt: skip
def test_a_text_looks_like_an_analyte_only_with_every_word(text: str, key: str | None) -> None:
    """A further word that could make it another measurement makes it none."""
    assert lookalikes.analyte(text) == key
