"""The code tables: what resolves, what never may, and that every row says where it is from."""

import csv
from importlib.resources import files

import pytest

from fhir_adapters import terminology
from fhir_adapters.dialect.code_systems import is_loinc
from fhir_adapters.dialect.coding import ICD10CM, LOINC, RXNORM, SNOMED, key_code
from fhir_adapters.dialect.profile import plain_text
from fhir_adapters.gene import gene_tables
from fhir_adapters.vector.schema import FEATURES

TERMS = terminology.load()
TABLES = sorted(
    entry.name
    for entry in (files("fhir_adapters") / "terminology").iterdir()
    if entry.name.endswith(".csv") and entry.name != "sources.csv"
)

TEXTS = {
    "sertraline": ("sertraline",),
    "Sertraline hydrochloride 50 MG tablet": ("sertraline",),
    "SERTRALINE HCL 50 MG TABS": ("sertraline",),
    "sertraline (ZOLOFT) 50 MG tablet": ("sertraline",),
    "sertraline 50mg once daily": ("sertraline",),
    "24 HR venlafaxine 150 MG Extended Release Oral Capsule": ("venlafaxine",),
    "lithium carbonate 300 MG": ("lithium",),
    "divalproex sodium 500 MG Delayed Release Oral Tablet": ("valproate",),
    "valproic acid": ("valproate",),
    "zuranolone 20 MG Oral Capsule [Zurzuvae]": ("zuranolone",),
    "Quviviq 25 MG": ("daridorexant",),
    "amitriptyline hydrochloride 25 MG / perphenazine 2 MG Oral Tablet": ("amitriptyline", "perphenazine"),
    "olanzapine-samidorphan 10-10 mg": ("olanzapine", "samidorphan"),
    "hydrocodone-acetaminophen 5-325 mg tablet": ("acetaminophen", "hydrocodone"),
    "methylene blue": ("methylene blue",),
    # nothing is read that is not understood word for word
    "": (),
    "50 MG tablet": (),
    "Nosuchbrand": (),
    "Nosuchbrand (sertraline)": (),
    "sertralinx": (),
    "sertraline2": ("sertraline",),
    "no sertraline": (),
    "stop sertraline": (),
    "sertraline allergy": (),
    "sertraline / unknownium 5 MG": (),
    "sertraline (with lithium carbonate)": ("lithium", "sertraline"),
    "sertraline (no lithium)": (),
    "sertraline and placebo": (),
    "hydrochloride": (),
}


@pytest.mark.parametrize("text", TEXTS)
def test_drug_texts(text: str) -> None:
    """A drug text names ingredients only if every word of it is understood."""
    assert TERMS.ingredients_in_text(text) == TEXTS[text]


@pytest.mark.parametrize(
    ("code", "ingredients", "kind"),
    [
        ("36437", ("sertraline",), "ingredient"),
        ("40254", ("valproate",), "ingredient"),
        ("312941", ("sertraline",), "drug"),
        ("2669916", ("zuranolone",), "brand"),
        ("410062", ("atomoxetine",), "drug_legacy"),
        ("861956", ("armodafinil",), "drug"),
        ("1299859", ("hydrochlorothiazide", "moexipril"), "class_orderable"),
    ],
)
def test_rxnorm_codes(code: str, ingredients: tuple[str, ...], kind: str) -> None:
    """An RxNorm code gives all ingredients of what it names."""
    found = TERMS.drug_codes[RXNORM, code]
    assert (found.ingredients, found.kind) == (ingredients, kind)
    assert TERMS.allergy_codes[RXNORM, code] == ingredients


def test_every_ingredient_of_a_code_is_known() -> None:
    """No code and no class names an ingredient that the ingredient table lacks."""
    known = {row["ingredient"] for row in _rows("ingredients.csv")}
    named = {one for drug in TERMS.drug_codes.values() for one in drug.ingredients}
    assert named <= known
    assert {one for members in TERMS.class_members.values() for one in members} <= known
    assert set(TERMS.drug_names.values()) <= known


def test_orderable_names_agree_with_their_ingredients() -> None:
    """Read as a text, the name of each orderable gives the ingredients that its row gives."""
    for row in (*_rows("orderables.csv"), *_rows("class_orderables.csv")):
        if row["ingredients"]:
            assert "+".join(TERMS.ingredients_in_text(row["name"])) == row["ingredients"], row["name"]


def test_classes() -> None:
    """Classes list ingredients, ingredients know their classes, and both say the same."""
    assert TERMS.classes_of("fluoxetine") >= {"ssri", "strong_cyp2d6_inhibitor"}
    assert TERMS.classes_of("unknownium") == frozenset()
    pairs = {(name, one) for name, members in TERMS.class_members.items() for one in members}
    assert pairs == {(name, one) for one, names in TERMS.ingredient_classes.items() for name in names}
    assert TERMS.class_orderables["1299859"] == {"acei_arb"}


@pytest.mark.parametrize(
    ("system", "code", "keys"),
    [
        (SNOMED, "370143000", {"mdd"}),
        (ICD10CM, "F32.9", None),
        (ICD10CM, "I21.9", {"acute_mi"}),
        (ICD10CM, "F102.31", {"alcohol_withdrawal"}),
        (SNOMED, "99999999", None),
    ],
)
def test_conditions(system: str, code: str, keys: set[str] | None) -> None:
    """A condition code gives its keys, with or without the dot of ICD-10-CM."""
    found = TERMS.condition_codes.get((system, key_code(system, code)))
    if code == "F32.9":
        assert found
    else:
        assert found == keys


def test_item_nine_is_item_nine() -> None:
    """44260-8 is PHQ-9 item 9, and no other code is: a wrong row here would silence the crisis path."""
    parts = {code: part for (_, code), part in TERMS.scale_codes.items()}
    assert parts["44260-8"].scale == "phq9"
    nines = {code for code, part in parts.items() if part.scale == "phq9" and part.part.startswith("item9")}
    assert nines == {"44260-8"}
    assert parts["44254-1"].part == "item4_energy"


def test_phq9_and_gad7_are_whole() -> None:
    """PHQ-9 has nine scored items and GAD-7 seven, each answered from 0 to 3."""
    for scale, count in (("phq9", 9), ("gad7", 7)):
        items = [part for name, part in TERMS.scales[scale].items() if name.startswith("item")]
        scored = [part for part in items if part.part != "item10_difficulty"]
        assert len(scored) == count
        assert all((part.low, part.high) == (0, 3) for part in scored)
        assert all("phq_gad_frequency" in part.answer_lists for part in scored)


def test_answers() -> None:
    """An answer code scores as its list says, and every list that a scale names exists."""
    assert TERMS.answer_codes[LOINC, "LA6571-9"].ordinal == 3
    lists = set(TERMS.scale_tables.texts)
    parts = [part for held in TERMS.scales.values() for part in held.values()]
    assert {name for part in parts for name in part.answer_lists} <= lists
    assert {answer.answer_list for answer in TERMS.answer_codes.values()} <= lists


@pytest.mark.parametrize("code", ["76504-0", "96762-0", "59574-4"])
def test_codes_that_mean_something_else(code: str) -> None:
    """Codes that are often taken for a total or an index that they are not are in no table."""
    assert (LOINC, code) not in TERMS.scale_codes
    assert (LOINC, code) not in TERMS.observation_codes


@pytest.mark.parametrize("code", ["191736004", "25501002", "313182004"])
def test_gad_is_gad_only(code: str) -> None:
    """OCD, social phobia and PTSD, which one public value set files under it, are not gad here."""
    assert "gad" not in TERMS.condition_codes.get((SNOMED, code), frozenset())


def test_unverified_codes_are_not_read() -> None:
    """A code that was not seen at its source resolves to nothing."""
    unread = [row for row in _rows("scales.csv") if row["verified"] == "no"]
    assert unread
    assert all((row["system"], row["code"]) not in TERMS.scale_codes for row in unread)


def test_none_known() -> None:
    """The codes for an empty list are known for what they are, and are no substance."""
    assert TERMS.none_known[SNOMED, "716186003"] == "none-known"
    assert not set(TERMS.none_known) & set(TERMS.allergy_codes)


def test_measured_features_have_an_analyte() -> None:
    """Every measured feature of the schema that is an analyte has a code and its canonical unit."""
    keys = {found.key for found in TERMS.observation_codes.values()}
    wanted = {spec.name for spec in FEATURES if spec.derivation.startswith("latest usable")}
    assert wanted <= keys
    for spec in FEATURES:
        if spec.name in wanted:
            analyte = TERMS.analytes[spec.name]
            assert analyte.unit is not None
            assert analyte.unit.replace("{1.73_m2}", "1.73m2") == spec.unit


def test_bounds_do_not_cut_what_a_feature_may_hold() -> None:
    """An analyte's plausible range is at least as wide as its feature's."""
    for spec in FEATURES:
        analyte = TERMS.analytes.get(spec.name)
        if analyte and analyte.low is not None and spec.low is not None:
            assert analyte.low <= spec.low, spec.name
            assert (analyte.high or 0) >= (spec.high or 0), spec.name


@pytest.mark.parametrize(
    ("of", "system", "code", "value"),
    [
        # published code lists that were seen to call this one "not breastfeeding"
        ("breastfeeding_status", SNOMED, "169750002", "breastfeeding"),
        ("breastfeeding_status", LOINC, "LA29253-4", "not_breastfeeding"),
        ("pregnancy_status", LOINC, "LA15173-0", "pregnant"),
        ("tobacco_smoking_status", LOINC, "LA18978-9", "never_smoker"),
    ],
)
def test_coded_results(of: str, system: str, code: str, value: str) -> None:
    """A coded result means one thing for one analyte, and nothing for another."""
    tables = TERMS.observation_tables
    assert tables.values[of, (system, code)] == value
    assert [held for (held, known) in tables.values if known == (system, code)] == [of]
    assert (system, code) not in tables.unknown


def test_texts_name_analytes_that_are_there() -> None:
    """A text that stands for an analyte is written as profiles key texts, and no two rows disagree on it."""
    rows = _rows("observation_texts.csv")
    assert len({row["text"] for row in rows}) == len(rows)
    for row in rows:
        assert row["key"] in TERMS.analytes, row
        assert plain_text(row["text"]) == row["text"]


def test_every_code_of_an_observation_names_an_analyte() -> None:
    """Each code's analyte has a row, and a code that is refused says why in a short phrase."""
    for code, known in TERMS.observation_codes.items():
        assert known.key in TERMS.analytes, code
        assert known.refused in {None, "race-coefficient"}, code


@pytest.mark.parametrize("table", TABLES)
def test_rows_have_a_source(table: str) -> None:
    """Every row of every table names a known source and whether it was verified."""
    sources = {row["key"] for row in _rows("sources.csv")}
    for row in _rows(table):
        assert row["verified"] in {"yes", "no", "secondary"}, row
        keys = row["source"].replace("+", ";").replace("(", ";").split(";")
        assert any(key.strip().removesuffix("-A").removesuffix("-B") in sources for key in keys), row


def _rows(table: str) -> list[dict[str, str]]:
    path = files("fhir_adapters") / "terminology" / table
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_every_loinc_code_has_its_check_digit() -> None:
    """A LOINC code with a slip in one digit is in no table."""
    tables = (terminology.load().observation_codes, terminology.load().scale_codes, gene_tables.load().results)
    codes = {code for table in tables for system, code in table if system == LOINC}
    assert len(codes) > 200
    assert all(is_loinc(code) for code in codes)
