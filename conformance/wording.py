"""A server's own words, as a report may quote them: what is said of an element stays, what may name anybody does not.

A word stays when it is written as running text is, or is FHIR's or the web's; a name, a number of a person, a date and
an address of mail do not. It is the same whether it is asked once or again, so a recording is judged the same.
"""

import re

MASKED = "masked"
_TOKEN = re.compile(r"[^\s<>\"'=]+")
_AROUND = re.compile(r"^([\W_]*)(.*?)([\W_]*)$", re.DOTALL)
_AGAIN = re.compile(rf"\b{MASKED}\b(?:[\s,]+{MASKED}\b)+")
_LONG_NUMBER = re.compile(r"\d{5}|\d{4}-\d\d|\d\d?[./]\d\d?[./]\d\d")
_NUMBER = re.compile(r"v?\d{1,4}(?:\.\d{1,4})*%?|R[2-6]B?", re.IGNORECASE)
_ERROR = re.compile(r"ORA-\d{5}")


def listed(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_TYPES = listed(
    "AllergyIntolerance AuditEvent Binary Bundle CapabilityStatement CodeableConcept Coding Condition Consent "
    "Device DiagnosticReport DocumentReference Encounter FamilyMemberHistory Group Identifier Medication "
    "MedicationAdministration MedicationDispense MedicationRequest MedicationStatement Observation OperationOutcome "
    "Organization Parameters Patient Practitioner PractitionerRole Procedure Provenance Quantity Questionnaire "
    "QuestionnaireResponse Reference RelatedPerson ServiceRequest StructureDefinition Task ValueSet"
)
_NAMES = listed(
    "API CDS EHR FHIR GET POST PUT PATCH DELETE HTTP HTTPS ID JSON JWK JWKS JWT LOINC MRN NDJSON OAuth PKCE RFC "
    "RxNorm SMART SNOMED CT SQL SQLSTATE TLS UCUM URI URL UUID XML Traceback Exception Error Bearer Basic "
    "Authorization Content-Type Location ETag If-Match If-None-Exist Retry-After Prefer"
)
# Words that a sentence of a server starts with; another one at that place may be a name.
_STARTS = listed(
    "A Access Account All An Already At Attribute Bad Binding Both Cannot Client Code Conflict Constraint Could "
    "Log "
    "Duplicate Each Element Empty Every Expected Expired Failed Failure Field For Forbidden Found If In Incorrect "
    "Insufficient Instance Internal Invalid Is It Malformed Maximum Method Minimum Missing Must No None Not Nothing "
    "Only Operation Or Order Orders Parameter Permission Please Precondition Profile Property Query Rate Read "
    "Request Required Resource Rule Scope Search Server Service Signature Slice Some Something Status Such System "
    "That The There This To Token Too Transaction Try Type Unable Unauthorized Unexpected Unit Unknown "
    "Unprocessable Unsupported Update Use User Validation Value Values Version We When Wrong You Your"
)
_KNOWN = _TYPES | _NAMES | _STARTS


def quoted(text: str) -> str:
    """Return the text with every word masked that may name or number somebody."""
    return _AGAIN.sub(MASKED, _TOKEN.sub(lambda found: _word(found[0]), text))


def _word(token: str) -> str:
    around = _AROUND.match(token)
    before, core, after = around.groups() if around else ("", token, "")
    return token if not core or _stays(core) else f"{before}{MASKED}{after}"


def _stays(core: str) -> bool:
    if core in _KNOWN or _ERROR.fullmatch(core):
        return True
    if "@" in core or _LONG_NUMBER.search(core):
        return False
    if _NUMBER.fullmatch(core):
        return True
    # An element's path, as MedicationRequest.dosageInstruction; a word of running text, a code, a type of media.
    return core.partition(".")[0] in _TYPES or core[0].islower()


def counted(number: int, word: str) -> str:
    """Return a number with its noun: 1 patient, 2 patients."""
    return f"{number} {word}{'' if number == 1 else 's'}"
