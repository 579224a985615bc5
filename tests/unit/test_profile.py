"""Dialect profiles: what the shipped ones say, how they extend each other, and what is refused at load."""

from pathlib import Path

import pytest

from fhir_adapters.dialect import profile
from fhir_adapters.dialect.code_systems import (
    ATC,
    ICD9CM,
    ICD10,
    ICD10CM,
    ICD10GM,
    ICPC2,
    LOINC,
    NDC,
    RXNORM,
    SNOMED,
    UCUM,
)
from fhir_adapters.dialect.coding import canonical_system, normalise_code
from fhir_adapters.errors import ProfileError

SHIPPED = (
    *("athenahealth-r4", "au-core", "base-dstu2", "base-r4", "base-r5", "base-stu3", "eclinicalworks-r4", "epic-r4"),
    *("ips", "isik", "meditech-r4", "nextgen-r4", "openemr-r4", "openmrs-r4", "oracle-r4", "uk-core", "us-core-r4"),
)

# (profile, system as found) → canonical system
SYSTEMS = {
    ("base-r4", "http://loinc.org"): LOINC,
    ("base-r4", "http://loinc"): LOINC,
    ("base-r4", "http://loinc.org/"): LOINC,
    ("base-r4", " http://loinc.org "): LOINC,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.1"): LOINC,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.96"): SNOMED,
    ("base-r4", "http://snomed.info/sct/"): SNOMED,
    ("base-r4", "https://dmd.nhs.uk"): SNOMED,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.88"): RXNORM,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.90"): ICD10CM,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.103"): ICD9CM,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.3"): ICD10,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.69"): NDC,
    ("base-r4", "urn:oid:2.16.840.1.113883.6.73"): ATC,
    ("base-r4", "http://unitsofmeasure.org/"): UCUM,
    ("base-r4", "http://example.org/local"): "http://example.org/local",
    # ICD-10 of WHO is no ICD-10-CM, and what three public lists name differently is nobody's alias.
    ("base-r4", "http://hl7.org/fhir/sid/icd-10"): ICD10,
    ("epic-r4", "urn:oid:2.16.840.1.113883.6.253"): "urn:oid:2.16.840.1.113883.6.253",
    ("epic-r4", "urn:oid:2.16.840.1.113883.6.68"): "urn:oid:2.16.840.1.113883.6.68",
    ("epic-r4", "urn:oid:2.16.840.1.113883.6.162"): "urn:oid:2.16.840.1.113883.6.162",
    ("base-stu3", "http://loinc.org/la"): LOINC,
    ("base-dstu2", "http://units-of-measure.org"): UCUM,
    ("isik", "http://fhir.de/CodeSystem/bfarm/atc"): ATC,
    ("isik", "http://fhir.de/CodeSystem/dimdi/atc"): ATC,
    ("isik", "http://fhir.de/CodeSystem/dimdi/icd-10-gm"): ICD10GM,
    ("ips", "http://www.saude.gov.br/fhir/r4/CodeSystem/BRCIAP2"): ICPC2,
    ("openmrs-r4", "https://openconceptlab.org/orgs/CIEL/sources/CIEL"): "https://cielterminology.org",
    ("au-core", "http://pbs.gov.au/code/item"): "http://pbs.gov.au/code/item",
}

# (software, base URL) → profile
MATCHES: dict[tuple[str | None, str | None], str] = {
    ("Epic", None): "epic-r4",
    (None, "https://fhir.epic.com/interconnect-fhir-oauth/api/FHIR/R4"): "epic-r4",
    (None, "https://ehr.example.org/arr/api/FHIR/R4/"): "epic-r4",
    ("Epic", "https://ehr.example.org/arr/api/FHIR/DSTU2"): "base-dstu2",
    (None, "https://fhir-ehr.cerner.com/r4/ec2458f2-1e24-41c8-b71b-0e701af7583d"): "oracle-r4",
    (None, "https://api.platform.athenahealth.com/fhir/r4"): "athenahealth-r4",
    (None, "https://fhir4.eclinicalworks.com/fhir/r4/ABCDEF"): "eclinicalworks-r4",
    (None, "https://fhir.nextgen.com/nge/prod/fhir-api-r4/fhir/r4"): "nextgen-r4",
    (None, "https://greenfield-apis.meditech.com/v1/uscore/R4"): "meditech-r4",
    ("OpenEMR", "https://emr.example.org/apis/default/fhir"): "openemr-r4",
    (None, "https://emr.example.org/openmrs/ws/fhir2/R4"): "openmrs-r4",
    ("HAPI FHIR Server", "https://hapi.example.org/baseR4"): "base-r4",
    (None, "https://fhir.example.org/STU3"): "base-stu3",
    (None, "https://fhir.example.org/r5"): "base-r5",
    (None, None): "base-r4",
}

REFUSED = {
    'nmae = "x"': ("U-PROFILE-KEY", "name"),
    "[match]\nsoftwear = []": ("U-PROFILE-KEY", "match.softwear is not known in a profile; the nearest is software"),
    "[search.any]\ncuont = 1": ("U-PROFILE-KEY", "search.any.cuont is not known in a profile; the nearest is count"),
    "[search.Observations]\ncount = 1": ("U-PROFILE-KEY", "Observation"),
    "[follow_up]\ncpa = 1": ("U-PROFILE-KEY", "cap"),
    "[drugs]\nresolver = []": ("U-PROFILE-KEY", "resolvers"),
    "[instruments]\nlinkids = {}": ("U-PROFILE-KEY", "link_ids"),
    "[observations]\ntext = {}": ("U-PROFILE-KEY", "texts"),
    '[dates]\nzones = "Z"': ("U-PROFILE-KEY", "zone"),
    '[tolerance]\nrepair = ["trim"]': ("U-PROFILE-KEY", "repairs"),
    '[units.sodum]\n"x" = "mmol/L"': ("U-PROFILE-KEY", "sodium"),
    '[statuses]\nobservations = ["final"]': ("U-PROFILE-KEY", "observation"),
    '[taking.MedicationRequests]\nactive = "taking"': ("U-PROFILE-KEY", "MedicationRequest"),
    "[instruments.answers.phq_gad]\na = 1": ("U-PROFILE-KEY", "phq_gad_frequency"),
    '[tolerance]\nrepairs = ["trimm"]': ("U-PROFILE-VALUE", "nearest is trim"),
    '[writing]\nrefuses = ["sign-and-right"]': ("U-PROFILE-VALUE", "nearest is sign-and-write"),
    '[writing]\nrefuses = ["card"]': ("U-PROFILE-VALUE", "card"),
    'fhir_versions = ["STU2"]': ("U-PROFILE-VALUE", "nearest is DSTU2"),
    '[drugs]\nresolvers = ["rxnrom"]': ("U-PROFILE-VALUE", "nearest is rxnorm"),
    '[drugs]\nagreement = "first"': ("U-PROFILE-VALUE", "agreement"),
    '[drugs]\nnone_known = ["none"]': ("U-PROFILE-VALUE", "system|code"),
    '[statuses]\nobservation = ["finale"]': ("U-PROFILE-VALUE", "nearest is final"),
    '[statuses]\nobservation = ["entered-in-error"]': ("U-PROFILE-VALUE", "entered-in-error"),
    '[taking.MedicationRequest]\n"active/ordr" = "taking"': ("U-PROFILE-VALUE", "active/order"),
    '[taking.MedicationRequest]\ndraft = "taking"': ("U-PROFILE-VALUE", "draft"),
    '[taking.MedicationStatement]\n"not-taken" = "taking"': ("U-PROFILE-VALUE", "not-taken"),
    '[taking.MedicationRequest]\nactive = "takes"': ("U-PROFILE-VALUE", "nearest is taking"),
    '[observations.texts]\n"hdl" = "hdll"': ("U-PROFILE-VALUE", "hdl"),
    '[instruments.link_ids]\n"/1" = "phq9.totl"': ("U-PROFILE-VALUE", "phq9.total"),
    '[instruments.codes]\n"x|1" = "phq99.total"': ("U-PROFILE-VALUE", "phq9.total"),
    '[instruments.codes]\n"1" = "phq9.total"': ("U-PROFILE-VALUE", "system|code"),
    '[instruments.answers.phq_gad_frequency]\n"x|1" = 4': ("U-PROFILE-VALUE", "no answer scores 4"),
    '[dates]\nzone = "Eastern"': ("U-PROFILE-VALUE", "zone"),
    '[dates]\nzone = "-5:00"': ("U-PROFILE-VALUE", "zone"),
    "[search.any]\ncount = 0": ("U-PROFILE-VALUE", "count"),
    '[search.any]\npatient = "id"': ("U-PROFILE-VALUE", "patient"),
    '[search.any]\nomit = ["patient"]': ("U-PROFILE-VALUE", "patient"),
    '[search.Observation]\nparameters = {category = "a&patient=2"}': ("U-PROFILE-VALUE", "cannot stand in a search"),
    "[follow_up]\ncap = 500": ("U-PROFILE-VALUE", "cap"),
    "[follow_up]\nbatch = 0": ("U-PROFILE-VALUE", "batch"),
    'systems = "http://loinc.org"': ("U-PROFILE-VALUE", "systems"),
    "systems = {a = 1}": ("U-PROFILE-VALUE", "systems"),
    'units = "kg"': ("U-PROFILE-VALUE", "units"),
    'search = "all"': ("U-PROFILE-VALUE", "search"),
    '[tolerance]\nrepairs = "trim"': ("U-PROFILE-VALUE", "repairs"),
    'maps = "drugs.csv"': ("U-PROFILE-VALUE", "maps"),
    "extends = 4": ("U-PROFILE-VALUE", "extends"),
    'extends = "epic-r44"': ("U-PROFILE-UNKNOWN", "no profile epic-r44; shipped are"),
    'extends = "gone.toml"': ("U-PROFILE-UNKNOWN", "gone.toml cannot be opened"),
    "= 4": ("U-PROFILE-FILE", "TOML"),
}


def test_what_is_shipped() -> None:
    """Seventeen profiles come with this version, each under its own name, each with a version of its own."""
    assert profile.shipped() == SHIPPED
    loaded = [profile.load(name) for name in SHIPPED]
    assert [one.name for one in loaded] == list(SHIPPED)
    assert [one.name for one in loaded if one.version is None or not one.fhir_versions] == []


@pytest.mark.parametrize(("name", "system"), SYSTEMS)
def test_systems(name: str, system: str) -> None:
    """An alias of a code system becomes its canonical URI, an unknown system stays itself."""
    assert canonical_system(system, profile.load(name)) == SYSTEMS[name, system]


@pytest.mark.parametrize("name", SHIPPED)
def test_no_shipped_profile_trusts_the_disputed_identifiers(name: str) -> None:
    """2.16.840.1.113883.6.68, .162 and .253 are named differently by every public list: nobody's alias."""
    aliases = profile.load(name).systems
    assert [one for one in aliases if one.endswith((".6.68", ".6.162", ".6.253"))] == []


def test_no_system() -> None:
    """An absent or blank system is None."""
    base = profile.load("base-r4")
    assert canonical_system(None, base) is None
    assert canonical_system("  ", base) is None


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (LOINC, "LA12302-8 ", ("LA12302-8", ("trim",))),
        (LOINC, "2951-2", ("2951-2", ())),
        (ICD10CM, "F32.1", ("F321", ())),
        (ICD10CM, "f321", ("F321", ())),
        (ICD10CM, " F32.1", ("F321", ("trim",))),
        (ICD10, "F32.1", ("F321", ())),
        (ICD10GM, "F32.1", ("F321", ())),
        (ICD9CM, "296.22", ("29622", ())),
        (SNOMED, "", (None, ())),
        (SNOMED, " ", (None, ())),
        (SNOMED, None, (None, ())),
    ],
)
def test_codes(system: str, code: str | None, expected: tuple[str | None, tuple[str, ...]]) -> None:
    """A code is trimmed, with the repair named, and written as the tables of its system are keyed."""
    assert normalise_code(system, code, profile.load("base-r4")) == expected


def test_repairs_can_be_forbidden(tmp_path: Path) -> None:
    """A profile that tolerates nothing leaves a code with blanks unread."""
    strict = _written(tmp_path, 'extends = "base-r4"\n[tolerance]\nrepairs = []')
    assert normalise_code(LOINC, "2951-2 ", strict) == (None, ())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_profile_knows_what_the_base_knows(name: str) -> None:
    """Aliases, unit texts, statuses and repairs of base-r4 hold in every shipped profile."""
    base, own = profile.load("base-r4"), profile.load(name)
    assert base.systems.items() <= own.systems.items()
    assert all(base.units[key].items() <= own.units[key].items() for key in base.units)
    assert (own.repairs, own.statuses, own.taking) == (base.repairs, base.statuses, base.taking)


def test_who_is_documented_not_to_take_orders() -> None:
    """Of the shipped profiles one refuses to write orders: a create there records what somebody reports."""
    refusing = {name: one.refuses for name in SHIPPED if (one := profile.load(name)).refuses}
    assert refusing == {"oracle-r4": {"unsigned-order", "sign-and-write"}}


@pytest.mark.parametrize(
    ("own", "refused"),
    [("", {"unsigned-order", "sign-and-write"}), ('[writing]\nrefuses = ["unsigned-order"]', {"unsigned-order"}),
     ("[writing]\nrefuses = []", set[str]())],
)  # fmt: skip
def test_what_a_vendor_does_not_take_a_site_may_lift(tmp_path: Path, own: str, refused: set[str]) -> None:
    """A site's profile inherits what its base refuses to write, and its own list stands instead of it."""
    assert _written(tmp_path, f'extends = "oracle-r4"\n{own}').refuses == refused


def test_own_entry_wins_over_the_base(tmp_path: Path) -> None:
    """A site's own file adds to its base and replaces what it names."""
    text = 'name = "site"\nextends = "base-r4"\n[units.any]\nBPM = "/h"\n[units.sodium]\n"mval/L" = "mmol/L"'
    site = _written(tmp_path, text)
    assert site.units["any"]["bpm"] == "/h"
    assert site.units["any"]["mmhg"] == "mm[Hg]"
    assert site.units["sodium"] == {"mval/l": "mmol/L"}


def test_what_is_a_profiles_own_is_not_inherited(tmp_path: Path) -> None:
    """By what an EHR is known, and which version its profile is, says that profile alone; the rest it inherits."""
    site = _written(tmp_path, 'name = "site"\nextends = "epic-r4"')
    assert (site.match.software, site.match.base_urls, site.version) == ((), (), None)
    assert (site.vendor, site.fhir_versions, site.follow_up.cap) == ("Epic", ("R4",), 200)


def test_a_base_may_lie_beside_the_profile(tmp_path: Path) -> None:
    """``extends`` of a ``.toml`` file is relative to the profile, not to where the command was started."""
    (tmp_path / "region.toml").write_text('extends = "uk-core"\nvendor = "Region"')
    assert _written(tmp_path, 'extends = "region.toml"').vendor == "Region"


def test_a_profile_without_a_base_has_safe_defaults(tmp_path: Path) -> None:
    """Without ``extends`` only results count, no repair is made, and no status reads as taking."""
    bare = _written(tmp_path, 'name = "bare"')
    assert bare.statuses["observation"] == {"final", "amended", "corrected"}
    assert (bare.repairs, bare.taking, bare.zone, bare.drug_agreement) == (frozenset(), {}, None, "all")


@pytest.mark.parametrize(
    ("kind", "status", "intent", "taking"),
    [
        ("MedicationRequest", "active", "order", "taking"),
        ("MedicationRequest", "active", "instance-order", "taking"),
        ("MedicationRequest", "active", "plan", "reported"),
        ("MedicationRequest", "active", "proposal", None),
        ("MedicationRequest", "active", "", None),
        ("MedicationRequest", "completed", "order", "stopped"),
        ("MedicationRequest", "stopped", "plan", "stopped"),
        ("MedicationRequest", "on-hold", "order", None),
        ("MedicationStatement", "active", "", "taking"),
        ("MedicationStatement", "intended", "", "ordered"),
        ("MedicationStatement", "not-taken", "", None),
        ("MedicationDispense", "completed", "", None),
    ],
)
def test_taking(kind: str, status: str, intent: str, taking: str | None) -> None:
    """A status, with its intent, reads as the base says, and as nothing where it does not say."""
    assert profile.load("base-r4").taking_of(kind, status, intent) == taking


def test_texts_are_keyed_as_they_are_compared(tmp_path: Path) -> None:
    """Texts of a profile are compared in small letters, with single blanks and without the colon at their end."""
    site = _written(tmp_path, '[observations.texts]\n"  Serum  SODIUM: " = "sodium"')
    assert site.observation_texts == {"serum sodium": "sodium"}
    assert profile.plain_text("Serum Sodium") == "serum sodium"


def test_local_item_and_answer_codes_become_the_standard_ones(tmp_path: Path) -> None:
    """A local code of an item or an answer is translated to the LOINC code that the tables hold for it."""
    text = """
        [instruments.codes]
        "urn:flowsheet|1234" = "phq9.total"
        [instruments.answers.phq_gad_frequency]
        "urn:answers|N" = 0
    """
    site = _written(tmp_path, text)
    assert site.translate("urn:flowsheet", "1234") == ((LOINC, "44261-6"),)
    assert site.translate("urn:answers", "N") == ((LOINC, "LA6568-5"),)
    assert site.translate("urn:flowsheet", "9") == ()


@pytest.mark.parametrize("zone", ["+05:30", "-05:00", "Europe/London"])
def test_zones(zone: str, tmp_path: Path) -> None:
    """A zone is an offset or a name that this host knows."""
    assert _written(tmp_path, f'[dates]\nzone = "{zone}"').zone == zone


def test_a_search_of_a_type_stands_over_that_of_any(tmp_path: Path) -> None:
    """What ``search.any`` says holds for a type unless the type says otherwise."""
    site = _written(tmp_path, '[search.any]\nomit = ["_sort"]\ncount = 20\n[search.Condition]\ncount = 5')
    assert site.searching("Condition") == profile.Search(omit=("_sort",), count=5)
    assert site.searching("Consent") == profile.Search(omit=("_sort",), count=20)


@pytest.mark.parametrize(("software", "base_url"), MATCHES)
def test_match(software: str | None, base_url: str | None) -> None:
    """An EHR is known by its software's name, else by its address, else by the version in its path."""
    assert profile.match(software, base_url) == MATCHES[software, base_url]


@pytest.mark.parametrize("text", REFUSED)
def test_refused_at_load(text: str, tmp_path: Path) -> None:
    """An unknown key is refused with the nearest known one, a wrong value with its place."""
    code, hint = REFUSED[text]
    with pytest.raises(ProfileError) as caught:
        _written(tmp_path, text)
    assert caught.value.code == code
    assert hint in caught.value.message


def test_circle_is_refused(tmp_path: Path) -> None:
    """A profile that extends itself is refused, not followed for ever."""
    path = tmp_path / "site.toml"
    path.write_text(f'extends = "{path.as_posix()}"')
    with pytest.raises(ProfileError) as caught:
        profile.load(str(path))
    assert caught.value.code == "U-PROFILE-VALUE"


@pytest.mark.parametrize("name", ["epic", "missing.toml", "", "../base-r4"])
def test_unknown_profile(name: str) -> None:
    """A name that is neither shipped nor a file is refused."""
    with pytest.raises(ProfileError) as caught:
        profile.load(name)
    assert caught.value.code == "U-PROFILE-UNKNOWN"


def _written(folder: Path, text: str) -> profile.Profile:
    path = folder / "site.toml"
    path.write_text(text)
    return profile.load(str(path))
