"""Dialect profiles: what the shipped ones say, how they extend each other, and what is refused at load."""

from pathlib import Path

import pytest

from fhir_adapters import profile
from fhir_adapters.coding import ICD10CM, LOINC, RXNORM, SNOMED, UCUM, canonical_system, normalise_code
from fhir_adapters.errors import ProfileError

SYSTEMS = {
    "http://loinc.org": LOINC,
    "http://loinc": LOINC,
    "http://loinc.org/": LOINC,
    " http://loinc.org ": LOINC,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "http://snomed.info/sct/": SNOMED,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.90": ICD10CM,
    "http://unitsofmeasure.org/": UCUM,
    "http://example.org/local": "http://example.org/local",
    # ICD-10 of WHO is no ICD-10-CM, and an edition of SNOMED CT is not written as a system.
    "http://hl7.org/fhir/sid/icd-10": "http://hl7.org/fhir/sid/icd-10",
}

REFUSED = {
    'nmae = "x"': ("U-PROFILE-KEY", "name"),
    '[tolerance]\nrepair = ["trim"]': ("U-PROFILE-KEY", "repairs"),
    '[tolerance]\nrepairs = ["trimm"]': ("U-PROFILE-KEY", "trim"),
    '[units.sodum]\n"x" = "mmol/L"': ("U-PROFILE-KEY", "sodium"),
    '[statuses]\nobservations = ["final"]': ("U-PROFILE-KEY", "observation"),
    'fhir_versions = ["R3"]': ("U-PROFILE-KEY", "R4"),
    'systems = "http://loinc.org"': ("U-PROFILE-VALUE", "systems"),
    "systems = {a = 1}": ("U-PROFILE-VALUE", "systems"),
    'units = "kg"': ("U-PROFILE-VALUE", "units"),
    '[tolerance]\nrepairs = "trim"': ("U-PROFILE-VALUE", "repairs"),
    "extends = 4": ("U-PROFILE-VALUE", "extends"),
    'extends = "epic-r44"': ("U-PROFILE-UNKNOWN", "base-r4"),
    "= 4": ("U-PROFILE-FILE", "TOML"),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_systems(system: str) -> None:
    """An alias of a code system becomes its canonical URI, an unknown system stays itself."""
    assert canonical_system(system, profile.load("base-r4")) == SYSTEMS[system]


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
        ("http://hl7.org/fhir/sid/icd-10", "F32.1", ("F32.1", ())),
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


def test_us_core_extends_the_base() -> None:
    """What the base knows, a profile that extends it knows too."""
    base, us_core = profile.load("base-r4"), profile.load("us-core-r4")
    assert us_core.name == "us-core-r4"
    assert us_core.systems == base.systems
    assert us_core.units["any"] == base.units["any"]
    assert us_core.repairs == base.repairs
    assert us_core.statuses == base.statuses


def test_own_entry_wins_over_the_base(tmp_path: Path) -> None:
    """A site's own file adds to its base and replaces what it names."""
    text = 'name = "site"\nextends = "base-r4"\n[units.any]\nBPM = "/h"\n[units.sodium]\n"mval/L" = "mmol/L"'
    site = _written(tmp_path, text)
    assert site.units["any"]["bpm"] == "/h"
    assert site.units["any"]["mmhg"] == "mm[Hg]"
    assert site.units["sodium"] == {"mval/l": "mmol/L"}


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
