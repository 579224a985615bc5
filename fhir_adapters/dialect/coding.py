"""Codes as found to codes as the tables key them: the system under its canonical name, the code mended."""

from fhir_adapters.dialect.code_systems import ICD10CM, LOINC, RXNORM, SNOMED, UCUM, key_code
from fhir_adapters.dialect.profile import Profile

__all__ = ["ICD10CM", "LOINC", "RXNORM", "SNOMED", "UCUM", "canonical_system", "key_code", "normalise_code"]


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
