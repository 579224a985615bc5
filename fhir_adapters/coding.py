"""Code systems under their canonical names, and codes without the blanks around them."""

from fhir_adapters.profile import Profile

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"


def canonical_system(system: str | None, profile: Profile) -> str | None:
    """Return the canonical URI of a code system, the system itself when no alias is known, None for none."""
    raise NotImplementedError


def normalise_code(system: str | None, code: str | None, profile: Profile) -> tuple[str | None, tuple[str, ...]]:
    """Return the code as terminology keys write it (trimmed; ICD-10-CM without its dot), and the repairs made."""
    raise NotImplementedError
