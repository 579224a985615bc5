"""Code systems under their canonical names, and codes as the terminology tables key them.

Names: http://hl7.org/fhir/R4/terminologies-systems.html, and http://fhir.de for the German ones. How EHRs
write them otherwise is in the profiles (``[systems]``).
"""

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICPC2 = "http://hl7.org/fhir/sid/icpc-2"
NDC = "http://hl7.org/fhir/sid/ndc"
ATC = "http://www.whocc.no/atc"
PZN = "http://fhir.de/CodeSystem/ifa/pzn"
UNII = "http://fdasis.nlm.nih.gov"

ALL = frozenset({LOINC, SNOMED, RXNORM, UCUM, ICD10CM, ICD10, ICD10GM, ICD9CM, ICPC2, NDC, ATC, PZN, UNII})

_DOTTED = frozenset({ICD10CM, ICD10, ICD10GM, ICD9CM})


def is_loinc(code: str) -> bool:
    """Say whether a code has LOINC's shape and its check digit (modulus 10, https://loinc.org/faq/structure-of-loinc/)."""
    number, _, check = code.rpartition("-")
    if not (number.isdecimal() and number.isascii() and len(number) <= 7 and len(check) == 1 and check.isdecimal()):
        return False
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(number)))
    return (sum(part // 10 + part % 10 for part in doubled) + int(check)) % 10 == 0


def key_code(system: str | None, code: str) -> str:
    """Return the code as tables are keyed: those of the ICD in capitals and without their dot."""
    return code.replace(".", "").upper() if system in _DOTTED else code
