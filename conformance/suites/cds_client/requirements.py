"""What CDS Hooks asks of a client, in our words, with where it is written; and what a patient's safety asks besides."""

from conformance.checks import Requirement

_SPECIFICATION = "https://cds-hooks.hl7.org/2.0/"
_HOOKS = "https://build.fhir.org/ig/HL7/cds-hooks-library/"
_FHIR = "https://hl7.org/fhir/R4/"


def _of(id_: str, text: str, section: str) -> Requirement:
    return Requirement(f"CDSH-{id_}", text, f"{_SPECIFICATION}#{section}")


def _hook(id_: str, text: str, page: str) -> Requirement:
    return Requirement(f"CDSH-{id_}", text, f"{_HOOKS}{page}.html")


def _ours(id_: str, text: str, section: str) -> Requirement:
    return Requirement(f"UNDERSIGN-{id_}", text, f"{_SPECIFICATION}#{section}")


D1 = _of("C-D1", "Services, hooks and templates are taken from discovery.", "discovery")
D7 = _of("C-D7", "A service is called at {base}/cds-services/{id}, as discovery lists it.", "http-request_1")
J1 = _of("C-J1", "Every call carries the client's JWT as a Bearer token, discovery and feedback too.",
         "trusting-cds-clients")  # fmt: skip
J3 = _of("C-J3", "The header of the JWT has alg, kid and typ JWT.", "trusting-cds-clients")
J4 = _of("C-J4", "The JWT is signed asymmetrically; ES384 and RS384 are recommended.", "trusting-cds-clients")
J5 = _of("C-J5", "The signature is by the key of the client's JWK Set that kid names.", "trusting-cds-clients")
J6 = _of("C-J6", "iss is the client's issuer, always the same.", "trusting-cds-clients")
J7 = _of("C-J7", "aud is the address that is called.", "trusting-cds-clients")
J8 = _of("C-J8", "exp and iat bound a short life around the call.", "trusting-cds-clients")
J9 = _of("C-J9", "jti names one token: no other has it.", "trusting-cds-clients")
J10 = _of("C-J10", "jku, where it is given, is an https address of the client's.", "trusting-cds-clients")
J11 = _ours("C1", "sub, where it is given, is always the same: it is typed in once, by hand.", "trusting-cds-clients")
T1 = _of("C-T1", "A call is JSON, sent as application/json.", "http-request_1")
T2 = _of("C-T2", "No null, empty text, list or object, but for null in prefetch.", "use-of-json")
T3 = _of("C-T3", "Calls go over TLS.", "security-and-safety")
R1 = _of("C-R1", "hook is the hook of the service that is called.", "http-request_1")
R2 = _of("C-R2", "hookInstance is a UUID.", "http-request_1")
R3 = _of("C-R3", "hookInstance names one hook invocation: no other has it.", "http-request_1")
R4 = _of("C-R4", "extension is an object.", "extensions")
X1 = _hook("C-X1", "userId is a reference to the user, such as Practitioner/123.", "patient-view")
X2 = _hook("C-X2", "patientId is the id of a Patient.", "patient-view")
X3 = _hook("C-X3", "encounterId, where it is given, is the id of an Encounter.", "patient-view")
X4 = _hook("C-X4", "draftOrders is a Bundle of the orders.", "order-select")
X5 = _hook("C-X5", "selections are references of orders in draftOrders.", "order-select")
X6 = _hook("C-X6", "Orders that are being chosen are drafts.", "order-select")
X7 = Requirement("FHIR-C-V1", "Orders are valid R4 resources.", f"{_FHIR}medicationrequest.html")
X8 = _ours("C2", "Orders are of the patient in the context.", "security-and-safety")
A1 = _of("C-A1", "fhirServer stands beside fhirAuthorization, over TLS, and is the EHR's base.",
         "fhir-resource-access")  # fmt: skip
A2 = _of("C-A2", "fhirAuthorization has access_token, token_type Bearer, expires_in, scope and subject.",
         "passing-the-access-token-to-the-cds-service")  # fmt: skip
A3 = _of("C-A3", "A token of one patient names that patient: the one in the context.",
         "passing-the-access-token-to-the-cds-service")  # fmt: skip
A4 = _of("C-A4", "The scope covers what the templates read.", "passing-the-access-token-to-the-cds-service")
A5 = _of("C-A5", "The token opens fhirServer.", "fhir-resource-access")
P1 = _ours("C3", "The prefetch that an evaluation cannot do without is sent.", "prefetch-template")
P2 = _of("C-P2", "Every prefetch key that the EHR can fill is sent.", "prefetch-template")
P3 = _of("C-P3", "A prefetch value is the resource of a read, or the searchset of a search.", "prefetch-template")
P4 = _of("C-P4", "An OperationOutcome in prefetch says that the EHR could not read.", "prefetch-template")
P5 = _of("C-P5", "null in prefetch says that there are no data.", "prefetch-template")
P6 = _ours("C4", "A list comes whole, on one page.", "prefetch-template")
P7 = _of("C-P7", "A prefetch value is what the same query returns.", "prefetch-template")
P8 = _ours("C5", "Prefetch holds the data of the patient in the context, and of nobody else.", "security-and-safety")
P9 = _of("C-P9", "Only keys that were asked for are sent.", "prefetch-template")
L1 = _ours("C6", "A chart that is opened once leads to one call of a service.", "http-request_1")
L2 = _ours("C7", "Calls at the same time are calls of their own.", "http-request_1")
L3 = _ours("C8", "The EHR waits long enough for an answer, and not so long that it holds a clinician up.",
           "http-response_1")  # fmt: skip
E1 = Requirement("HTTP-C-E1", "Retry-After is honoured.", "https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3")
E2 = _ours("C9", "A call that failed is not repeated without end.", "http-status-codes")
E3 = _of("C-E3", "412 says that data are missing: the same call again is of no use.", "http-status-codes")
E4 = _of("C-E4", "An empty list of cards is an answer.", "cds-service-response")
F1 = _of("C-F1", "What was done with a card is told at the service's feedback address.", "feedback")
F2 = _of("C-F2", "Feedback is an object with the list feedback; each item has card, outcome and outcomeTimestamp.",
         "feedback")  # fmt: skip
F3 = _of("C-F3", "Feedback names a card by the uuid that it had.", "feedback")
F4 = _of("C-F4", "An accepted card names the suggestions that were taken.", "feedback")
F5 = _of("C-F5", "An override reason is a Coding, or the user's own words, and never empty.", "override-reason")
F6 = _of("C-F6", "outcomeTimestamp is a UTC time (RFC 3339), after the card was given.", "feedback")
S1 = _of("C-S1", "A card is shown to the user.", "cds-service-response")
S2 = _of("C-S2", "detail is GitHub-flavoured Markdown.", "card-attributes")
S3 = _of("C-S3", "A link opens for the user.", "link")
S4 = _of("C-S4", "Suggestions are shown as buttons.", "suggestion")
S5 = _of("C-S5", "Override reasons are offered when a card is dismissed.", "override-reasons")
