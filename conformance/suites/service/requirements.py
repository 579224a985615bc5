"""The requirements of CDS Hooks that can be seen from outside a service, in our words, with where they are written."""

from conformance.checks import Requirement

_SPECIFICATION = "https://cds-hooks.hl7.org/2.0/"


def _of(id_: str, text: str, section: str) -> Requirement:
    return Requirement(f"CDSH-{id_}", text, f"{_SPECIFICATION}#{section}")


D1 = _of("D1", "Discovery answers 200 with an object that holds the list services.", "discovery")
D3 = _of("D3", "Each service names its hook, id and description.", "discovery")
D4 = _of("D4", "A service has a title that a person can read.", "discovery")
D8 = _of("D8", "An id stands once: a client that keys services by address loses the second.", "discovery")
P1 = _of("P1", "A prefetch template is a relative FHIR read or search.", "prefetch-template")
P2 = _of("P2", "Prefetch tokens name a field of the context or one of the user ids.", "prefetch-tokens")
P4 = _of("P4", "Templates keep to the portable subset of FHIR search.", "prefetch-query-restrictions")
P9 = _of("P9", "Required data that are neither sent nor readable are answered with 412.", "http-status-codes")
P6 = _of("P6", "A client may send null or nothing for a prefetch key.", "prefetch-template")
R1 = _of("R1", "A request needs hook, hookInstance (a UUID) and context.", "http-request_1")
R3 = _of("R3", "Fields and extensions that a service does not know are no reason to refuse.", "extensions")
T1 = _of("T1", "Everything is JSON, over HTTPS in production.", "security-and-safety")
T2 = _of("T2", "No null, empty text, list or object, but for cards and services.", "use-of-json")
A1 = _of("A1", "A call that succeeds answers 200 with an object that holds the list cards.", "cds-service-response")
A3 = _of("A3", "A refusal says why in an OperationOutcome.", "http-status-codes")
A4 = _of("A4", "A card has a summary under 140 characters, an indicator and a source label.", "card-attributes")
A5 = _of("A5", "A card has a uuid, without which no feedback can name it.", "card-attributes")
A6 = _of("A6", "Suggestions need selectionBehavior.", "card-attributes")
A7 = _of("A7", "source.url is absolute.", "source")
A8 = _of("A8", "A suggestion has a label; at most one is recommended unless any may be chosen.", "suggestion")
A9 = _of("A9", "An action has a type and a description; a create carries the whole resource.", "action")
A10 = _of("A10", "A link has label, url and type; appContext goes with smart links only.", "link")
A11 = _of("A11", "An override reason is a Coding with its display.", "override-reasons")
A13 = _of("A13", "systemActions are for what needs no person: never for a prescription.", "system-action")
B1 = _of("B1", "Feedback on a card is taken.", "feedback")
J2 = _of("J2", "Where authentication is required, a call without a token is refused.", "trusting-cds-clients")
J3 = _of("J3", "A token is checked: issuer, audience, life and key.", "trusting-cds-clients")
J4 = _of("J4", "Neither alg none nor a symmetric algorithm is taken.", "trusting-cds-clients")
J7 = _of("J7", "A token counts once.", "trusting-cds-clients")
C1 = _of("C1", "Browsers of known origins only are let in, on error answers too.", "cross-origin-resource-sharing")
P11 = _of("P11", "An answer comes in the order of 500 ms.", "http-response_1")
# Not in the standard: what a patient's safety asks of any service that drafts prescriptions.
_OURS = "https://cds-hooks.hl7.org/2.0/#security-and-safety"
S1 = Requirement("UNDERSIGN-S1", "Another patient's data never lead to a card.", _OURS)
S2 = Requirement("UNDERSIGN-S2", "A suggested MedicationRequest is a draft, whoever takes the suggestion.", _OURS)
S3 = Requirement("UNDERSIGN-S3", "The same chart opened twice gives the same drafts, not more of them.", _OURS)
S4 = Requirement("UNDERSIGN-S4", "A positive answer on self-harm leads to people, never to a drug.", _OURS)
S5 = Requirement("UNDERSIGN-S5", "Orders about to be signed are judged: a dangerous pair gives a card.", _OURS)
S6 = Requirement("UNDERSIGN-S6", "What cannot be read is refused, never answered with an empty list.", _OURS)
