"""What is required of an EHR's FHIR endpoint, in our words, with where it is written."""

from conformance.checks import Requirement

_R4 = "http://hl7.org/fhir/R4"
_SMART = "https://hl7.org/fhir/smart-app-launch"
_BACKEND = f"{_SMART}/backend-services.html"
_CLIENT = f"{_SMART}/client-confidential-asymmetric.html"
_CONFIGURATION = f"{_SMART}/conformance.html"


def _fhir(id_: str, text: str, page: str) -> Requirement:
    return Requirement(f"FHIR-{id_}", text, f"{_R4}/{page}")


def _smart(id_: str, text: str, url: str) -> Requirement:
    return Requirement(f"SMART-{id_}", text, url)


def _ours(id_: str, text: str, page: str) -> Requirement:
    return Requirement(f"UNDERSIGN-{id_}", text, f"{_R4}/{page}")


R1 = _fhir("R1", "GET [base]/metadata answers 200 with a CapabilityStatement.", "http.html#capabilities")
R2 = _fhir("R2", "Health data are exchanged over TLS, with a certificate that the client trusts.", "security.html#http")
R3 = _fhir("R3", "The version of FHIR that is declared is one that the profile reads.", "versions.html")
R4 = _fhir("R4", "The CapabilityStatement of an instance names its software and release.", "capabilitystatement.html")
R5 = _ours("E1", "The EHR's clock and ours differ by less than a minute, or tokens are refused.", "security.html#time")
R6 = _fhir("R6", "A type or path that is not there is answered with 404.", "http.html#read")
R7 = _ours(
    "E2", "A request is answered where it is sent: a redirect would carry a token elsewhere.", "security.html#http"
)
R8 = _fhir("R8", "FHIR in JSON is sent as application/fhir+json.", "http.html#mime-type")
C1 = _fhir("C1", "A CapabilityStatement has status, date, kind, fhirVersion and format.", "capabilitystatement.html")
C2 = _fhir("C2", "JSON is among the formats.", "capabilitystatement-definitions.html#CapabilityStatement.format")
C3 = _fhir("C3", "Each type that is read and searched is declared so.", "capabilitystatement.html")
C4 = _fhir("C4", "Each search parameter that is supported is declared.", "search.html#Introduction")
C5 = _fhir("C5", "What is declared works.", "capabilitystatement.html")
C6 = _fhir(
    "C6", "Create, conditional create, update and transaction are declared where they work.", "http.html#summary"
)
S1 = _smart("S1", "The configuration is at [base]/.well-known/smart-configuration, as JSON.", _CONFIGURATION)
S2 = _smart("S2", "The token endpoint is an absolute address, over TLS.", _CONFIGURATION)
S3 = _smart("S3", "Clients prove themselves with private_key_jwt, signed with RS384 or ES384.", _CLIENT)
S4 = _smart("S4", "The scopes that an app may ask for are listed.", _CONFIGURATION)
S5 = _smart("S5", "PKCE with S256 is supported, and plain is not.", _CONFIGURATION)
S6 = _smart("S6", "The CapabilityStatement names the endpoints of the configuration, if it names any.", _CONFIGURATION)
T1 = _smart("T1", "A good assertion gets a bearer token with expires_in and scope.", _BACKEND)
T2 = _smart("T2", "A token answer is never cached.", "https://www.rfc-editor.org/rfc/rfc6749#section-5.1")
T3 = _smart("T3", "The token's scope is what was asked for, or the client is told what was cut.", _BACKEND)
T4 = _smart("T4", "Only grant type client_credentials is answered for a backend service.", _BACKEND)
T5 = _smart("T5", "An assertion is checked: type, signature, audience, subject, life.", _CLIENT)
T6 = _smart("T6", "An assertion counts once.", _CLIENT)
T7 = _fhir("T7", "Without a valid token the answer is 401, with an OperationOutcome.", "http.html#Status-Codes")
T8 = _fhir("T8", "Beyond the token's scope the answer is 403.", "security.html#6.1.0.3")
Q1 = _fhir("Q1", "A read gives the resource of that id, another id 404.", "http.html#read")
Q2 = _fhir("Q2", "A search answers 200 with a Bundle of type searchset.", "search.html#Introduction")
Q3 = _fhir("Q3", "A search parameter is honoured: nothing comes that does not fit it.", "search.html#Introduction")
Q4 = _fhir("Q4", "A search by POST gives what the same search by GET gives.", "http.html#search")
Q5 = _fhir("Q5", "A parameter that is unknown is refused, or left out of the self link.", "search.html#errors")
Q6 = _fhir("Q6", "Results stand in the order that was asked for.", "search.html#sort")
P1 = _ours("E3", "What a search for one patient answers is that patient's.", "search.html#Introduction")
G1 = _fhir("G1", "Following next links gives every match once.", "http.html#paging")
G2 = _ours("E4", "A next link stays on the EHR's host, below its base.", "http.html#paging")
G3 = _fhir("G3", "total is the number of matches over all pages.", "bundle-definitions.html#Bundle.total")
G4 = _fhir("G4", "_count is the most that a page holds.", "search.html#count")
N1 = _ours("E5", "What is sent can be read: nothing is refused for its form.", "json.html")
N2 = _fhir("N2", "Required elements are there, with codes of their required value sets.", "terminologies.html#required")
N3 = _fhir("N3", "Resources that are referred to can be read.", "references.html")
N4 = _fhir("N4", "What was entered in error has no clinical status.", "condition.html#invs")
N5 = _ours("E6", "Dates are dates, and nothing was observed in the future.", "datatypes.html#date")
N6 = _ours("E7", "A Patient has a birth date and an administrative gender, and is nobody's double.", "patient.html")
N7 = _fhir("N7", "A resource has the elements of its type, and no other.", "validation.html")
M1 = _ours("E8", "Drugs have codes that lead to an ingredient.", "medicationrequest.html")
M2 = _ours("E9", "Problems and allergies have codes that are understood.", "condition.html")
M3 = _ours("E10", "Observations have LOINC codes, or a mapping to them.", "observation.html#code-interop")
U1 = _fhir("U1", "A number that is measured has a unit.", "datatypes.html#Quantity")
U2 = _fhir("U2", "Units are UCUM, or are mapped to it.", "ucum.html")
U3 = _ours("E11", "Values are plausible in the unit that is written beside them.", "observation.html")
L1 = _fhir("L1", "An error is an OperationOutcome with issue.code.", "http.html#Status-Codes")
L2 = _ours("E12", "An error tells nothing of the server's insides.", "security.html")
L3 = _fhir("L3", "A server that is busy says when to come again.", "http.html#Status-Codes")
L4 = _ours("E13", "Answers come in time for a hook call: all reads together within two seconds.", "http.html")
F1 = _ours("E14", "The features that gates and rules read are fed.", "patient.html")
F2 = _ours("E15", "The lists of problems and drugs come whole.", "condition.html")
W1 = _fhir("W1", "A create answers 201 with Location and ETag.", "http.html#create")
W2 = _ours("E16", "What is read again is what was sent.", "http.html#create")
W3 = _fhir("W3", "If-None-Exist makes no second resource.", "http.html#ccreate")
W4 = _fhir("W4", "An update with an outdated If-Match is refused with 412 or 409.", "http.html#concurrency")
W5 = _fhir("W5", "A transaction leaves all or nothing.", "http.html#transaction")
W6 = _fhir("W6", "What is not valid is refused with an OperationOutcome, and not stored.", "http.html#create")
W7 = _ours("E17", "What a test wrote can be taken back.", "http.html#delete")
W9 = _fhir("W9", "_revinclude=Provenance:target brings the Provenance of an order.", "search.html#revinclude")
W8 = _fhir("W8", "A search by identifier finds what was written, at once.", "search.html#token")
