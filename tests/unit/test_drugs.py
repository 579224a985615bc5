"""Which drug is meant: by codes of every level and system, by text, by composition, and when they disagree."""

import csv
import json
from importlib.resources import files
from pathlib import Path

import pytest

from fhir_adapters import terminology
from fhir_adapters.adapt import adapt
from fhir_adapters.canonical import MedicationCourse
from fhir_adapters.dialect import profile
from fhir_adapters.medication import drug_tables
from fhir_adapters.medication.drug_tables import key_ndc
from tests.fixtures.resources import AS_OF, RXNORM, SERTRALINE, SNOMED, Resource, adapted, concept, patient, request

TERMS = terminology.load()
ATC = "http://www.whocc.no/atc"
NDC = "http://hl7.org/fhir/sid/ndc"
PZN = "http://fhir.de/CodeSystem/ifa/pzn"
MEDISPAN = "urn:oid:2.16.840.1.113883.6.253"


def course(*resources: Resource) -> MedicationCourse:
    """The one course of these resources."""
    (found,) = adapted(*resources).patient.medications
    return found


def of(drug: Resource) -> MedicationCourse:
    """The course of an order of this drug."""
    return course(request("m", drug))


def coded(*codings: tuple[str | None, str, str | None], text: str | None = None) -> Resource:
    """A concept of (system, code, display)."""
    parts = [{"system": system, "code": code, "display": display} for system, code, display in codings]
    kept = [{name: value for name, value in part.items() if value is not None} for part in parts]
    return {"coding": kept, **({"text": text} if text else {})}


CODES = [
    (RXNORM, "36437", ("sertraline",)),  # IN
    (RXNORM, "82063", ("oxycodone",)),  # PIN: the salt is the ingredient
    (RXNORM, "316672", ("simvastatin",)),  # SCDC
    (RXNORM, "312941", ("sertraline",)),  # SCD
    (RXNORM, "206821", ("lorazepam",)),  # SBD
    (RXNORM, "607015", ("pregabalin",)),  # SBDC
    (RXNORM, "748962", ("norethindrone",)),  # BPCK
    (RXNORM, "1187314", ("acetaminophen", "diphenhydramine")),  # SBDG
    (RXNORM, "1049221", ("acetaminophen", "oxycodone")),
    (ATC, "N06AB06", ("sertraline",)),
    (ATC, "N02AJ06", ("acetaminophen", "codeine")),
    ("urn:oid:2.16.840.1.113883.6.73", "J01MA02", ("ciprofloxacin",)),
    (SNOMED, "321196004", ("diazepam",)),  # dm+d
    ("https://dmd.nhs.uk", "322341003", ("acetaminophen", "codeine")),
    (SNOMED, "23525011000036109", ("simvastatin",)),  # AMT
    (NDC, "0071-2214-20", ("phenytoin",)),
    (NDC, "00071221420", ("phenytoin",)),  # the same with eleven digits
    (PZN, "09339154", ("quetiapine",)),
]


@pytest.mark.parametrize(("system", "code", "ingredients"), CODES)
def test_a_code_without_a_text_tells_the_drug(system: str, code: str, ingredients: tuple[str, ...]) -> None:
    """A code of any level and system that a table holds gives all its ingredients."""
    found = of(concept(system, code))
    assert (found.ingredients, found.unresolved) == (ingredients, None)


@pytest.mark.parametrize(
    ("drug", "expected"),
    [
        # Epic: product, ingredient and component codes of one drug beside others' codes that no table holds
        (coded((RXNORM, "312941", None), (RXNORM, "36437", None), (MEDISPAN, "1", None)), ("sertraline",)),
        (coded((RXNORM, "312941", None), (RXNORM, "99999999", None)), ("sertraline",)),
        # ingredient codes are parts of the combination that the product or the text names
        (coded((RXNORM, "1049221", None), (RXNORM, "161", None)), ("acetaminophen", "oxycodone")),
        (coded((RXNORM, "161", None), (RXNORM, "82063", None), text="Percocet"), ("acetaminophen", "oxycodone")),
        (coded((RXNORM, "1049221", "acetaminophen"), (RXNORM, "161", None)), ("acetaminophen", "oxycodone")),
        # two ingredients, and nothing says whether they are one drug
        (coded((RXNORM, "161", None), (RXNORM, "36437", None)), "conflicting"),
        # an ingredient beside a code that may be a second ingredient
        (coded((RXNORM, "36437", None), (RXNORM, "99999999", None)), "code-unknown"),
        (coded((RXNORM, "36437", None), (RXNORM, "99999999", None), text="sertraline"), ("sertraline",)),
        # codes, or a code and its words, that contradict
        (coded((RXNORM, "312941", None), (RXNORM, "310385", None)), "conflicting"),
        (coded((RXNORM, "312941", None), (ATC, "N06AB03", None)), "conflicting"),
        (coded((RXNORM, "312941", "fluoxetine 20 MG Oral Capsule")), "conflicting"),
        (coded((RXNORM, "312941", None), text="fluoxetine"), "conflicting"),
        (coded((RXNORM, "312941", None), text="acetaminophen / sertraline"), "conflicting"),
        # OpenEMR writes the word instead of the number
        (coded((RXNORM, "RXCUI", "sertraline 50 MG Oral Tablet")), ("sertraline",)),
        (coded((RXNORM, "RXCUI", None)), "code-unknown"),
        (coded((None, "7", None)), "code-unknown"),
    ],
)  # fmt: skip
def test_all_that_is_said_must_agree(drug: Resource, expected: tuple[str, ...] | str) -> None:
    """Codes and texts that agree name the drug, unknown codes do no harm, and contradictions are named."""
    found = of(drug)
    assert (found.ingredients or found.unresolved) == expected


TEXTS = {
    "Metformin 1g modified release tablets": ("metformin",),
    "ATORVASTATIN CALCIUM 40 MG TABS": ("atorvastatin",),
    "amoxicillin-clavulanate 875-125 mg tablet": ("amoxicillin", "clavulanate"),
    "Co-codamol 30mg/500mg tablets": ("acetaminophen", "codeine"),
    "insulin glargine (LANTUS) 100 unit/mL injection": ("insulin glargine",),
    "Insulin (Humulin N)": ("insulin isophane",),
    "dexamethasone sodium phosphate 4 MG/ML Injectable Solution": ("dexamethasone",),
    "Vitamin B 12 5 MG/ML Injectable Solution": ("cyanocobalamin",),
    "vitamin B6 25 MG": ("pyridoxine",),
    "Quetiapin HEXAL® 50 mg": ("quetiapine",),
    "METFORMINE 1000MG TABLET": ("metformin",),
    "Sertralina 50 mg comprimido": ("sertraline",),
    "Product containing lisinopril (medicinal product)": ("lisinopril",),
    "Tylenol PM": ("acetaminophen", "diphenhydramine"),
    "hydrocodone (with acetaminophen)": ("acetaminophen", "hydrocodone"),
    # brands whose other forms hold more than the plain one, negations, contradictions, stories
    "Advil PM": (),
    "Claritin-D": (),
    "Atacand Plus": (),
    "aspirin free": (),
    "paracetamol without codeine": (),
    "sertraline (fluoxetine)": (),
    "simvastatine-like": (),
    "insulin": (),
    "vitamin": (),
    "sertraline " * 80: (),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_names_a_drug_or_nothing(text: str) -> None:
    """Words in several languages name drugs, and a word that is not understood takes the whole text."""
    assert TERMS.ingredients_in_text(text) == TEXTS[text]


def medication(**fields: object) -> Resource:
    """A Medication to be referred to."""
    return {"resourceType": "Medication", "id": "x", **fields}


def referring(display: str | None = None) -> Resource:
    """An order that refers to it."""
    shown = {"display": display} if display else {}
    return request("m", None, medicationReference={"reference": "Medication/x", **shown})


def part(text: str, **fields: object) -> Resource:
    """One ingredient of a Medication, by its name."""
    return {"itemCodeableConcept": {"text": text}, **fields}


SUBSTANCE = {"resourceType": "Substance", "id": "s", "code": concept(RXNORM, "36437", "sertraline")}


@pytest.mark.parametrize(
    ("held", "display", "expected"),
    [
        (medication(code=SERTRALINE), "sertraline", ("sertraline",)),
        (medication(code=SERTRALINE), "as prescribed", ("sertraline",)),
        (medication(code=SERTRALINE), "fluoxetine 20 MG", "conflicting"),
        (medication(code={"text": "House blend"}), "fluoxetine 20 MG", ("fluoxetine",)),
        (medication(ingredient=[{"itemReference": {"reference": "#s"}}], contained=[SUBSTANCE]), None, ("sertraline",)),
        (medication(code=SERTRALINE, ingredient=[part("fluoxetine")]), None, "conflicting"),
        (medication(code=SERTRALINE, ingredient=[part("talc")]), None, ("sertraline",)),
        (medication(ingredient=[part("sertraline"), part("lactose", isActive=False)]), None, ("sertraline",)),
        (medication(ingredient=[part("sertraline"), part("something else")]), None, "not-named"),
        (medication(code=SERTRALINE, status="entered-in-error"), "sertraline", ("sertraline",)),
        (medication(code=SERTRALINE, status="entered-in-error"), None, "reference-not-found"),
    ],
)  # fmt: skip
def test_a_medication_and_what_is_said_of_it_must_agree(
    held: Resource, display: str | None, expected: tuple[str, ...] | str
) -> None:
    """A referenced Medication is known by code or ingredients, and the display of the reference must agree."""
    found = course(held, referring(display))
    assert (found.ingredients or found.unresolved) == expected


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("0071-2214-20", "00071221420"),
        ("12345-678-90", "12345067890"),
        ("12345-6789-1", "12345678901"),
        ("00071221420", "00071221420"),
        ("0264751010", "0264751010"),
    ],
)
def test_an_ndc_has_one_key(code: str, key: str) -> None:
    """The hyphens of an NDC say where zeros belong; ten digits without them stay as they are."""
    assert key_ndc(code) == key


def test_the_german_atc_is_read_in_german_dialects() -> None:
    """The ATC under its German name means what it means elsewhere."""
    german = request("m", concept("http://fhir.de/CodeSystem/bfarm/atc", "N06AX11"))
    raw = json.dumps([patient(), german]).encode()
    (found,) = adapt(raw, AS_OF, profile.load("isik")).patient.medications
    assert found.ingredients == ("mirtazapine",)


SITE = """
extends = "base-r4"
maps = ["drugs.csv"]
"""


def test_a_site_map_resolves_a_local_code(tmp_path: Path) -> None:
    """A local code says nothing without a map, and its drug with one."""
    drug = coded(("urn:oid:1.2.3", "77", None))
    assert of(drug).unresolved == "code-unknown"
    (tmp_path / "drugs.csv").write_text(
        f"source_system,source_code,target_system,target_code\nurn:oid:1.2.3,77,{RXNORM},312941\n"
    )
    (tmp_path / "site.toml").write_text(SITE)
    raw = json.dumps([patient(), request("m", drug)]).encode()
    (found,) = adapt(raw, AS_OF, profile.load(str(tmp_path / "site.toml"))).patient.medications
    assert (found.ingredients, found.source.repairs) == (("sertraline",), ("code-map",))


def test_only_resolvers_of_the_profile_are_asked() -> None:
    """Every shipped profile asks the codes that the tables hold and the text."""
    for name in profile.shipped():
        assert {"rxnorm", "text"} <= set(profile.load(name).drug_resolvers), name


def rows(table: str) -> list[dict[str, str]]:
    """The rows of a terminology table."""
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_names_of_codes_read_as_their_ingredients() -> None:
    """Whatever the name of a code is understood to be is what its row says."""
    for row in rows("drug_codes"):
        found = "+".join(TERMS.ingredients_in_text(row["name"]))
        assert found in ("", row["ingredients"]), row


def test_every_new_ingredient_is_marked_as_not_reviewed() -> None:
    """Only what the classes and rules were written for counts as reviewed: every member of a class is."""
    tables = drug_tables.load()
    assert {one for members in tables.class_members.values() for one in members} <= tables.reviewed
    assert not {"metformin", "ropinirole", "moclobemide", "rasagiline"} & tables.reviewed
    assert {row["reviewed"] for row in rows("ingredients")} == {"yes", "no"}


def test_every_drug_of_a_table_is_an_ingredient() -> None:
    """Names, codes and ATC groups name only ingredients of the ingredient table."""
    known = {row["ingredient"] for row in rows("ingredients")}
    for table in ("drug_names", "drug_codes", "atc_codes"):
        assert {one for row in rows(table) for one in row["ingredients"].split("+")} <= known, table


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("Cymbalta 60 mg for fibromyalgia", ("duloxetine",)),
        ("amitriptyline 10 mg tablet for migraine prophylaxis", ("amitriptyline",)),
        ("Unlesbar 20 mg for fibromyalgia", ()),
        ("Cymbalta 60 mg for pain with sertralin-ersatz", ()),
        ("Cymbalta 60 mg for bridging to sertraline", ()),
        ("Xadago 50 mg", ("safinamide",)),
        ("Zelapar 1.25 mg", ("selegiline",)),
        ("Provayblue", ("methylene blue",)),
        ("Nuedexta", ("dextromethorphan", "quinidine")),
        ("Robitussin DM", ("dextromethorphan", "guaifenesin")),
        ("Invega Sustenna 156 mg", ("paliperidone",)),
        ("Abilify Maintena 400 mg", ("aripiprazole",)),
    ],
)
def test_a_purpose_behind_a_drug_and_brands_of_two_words_are_read(text: str, ingredients: tuple[str, ...]) -> None:
    """What stands behind "for" need not be understood unless it names another drug; a brand is its ingredients."""
    found = adapted(request("m", {"text": text})).patient.medications
    assert [one.ingredients for one in found] == [ingredients]
