"""Code systems under their canonical names, and codes as the terminology tables key them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # profile reads the terminology, which is keyed by this module
    from fhir_adapters.profile import Profile

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"


def key_code(system: str | None, code: str) -> str:
    """Return the code as tables are keyed: ICD-10-CM in capitals and without its dot."""
    return code.replace(".", "").upper() if system == ICD10CM else code


def canonical_system(system: str | None, profile: Profile) -> str | None:
    """Return the canonical URI of a code system, the system itself when no alias is known, None for none."""
    if system is None:
        return None
    known = profile.systems.get(system)
    if known:
        return known
    plain = system.strip()
    return profile.systems.get(plain, plain) or None


def normalise_code(system: str | None, code: str | None, profile: Profile) -> tuple[str | None, tuple[str, ...]]:
    """Return the code as the tables of its (canonical) system are keyed, and the repairs made to read it.

    None for an absent code, a blank one, and one with blanks around it where the profile does not tolerate
    them.
    """
    if not code:
        return None, ()
    plain = code.strip()
    if plain == code:
        return key_code(system, code), ()
    if not plain or "trim" not in profile.repairs:
        return None, ()
    return key_code(system, plain), ("trim",)
