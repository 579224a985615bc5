"""What is required of a bulk export, in our words, with where it is written."""

from conformance.checks import Requirement

_EXPORT = "https://hl7.org/fhir/uv/bulkdata/export.html"


def _bulk(id_: str, text: str, place: str) -> Requirement:
    return Requirement(f"BULK-{id_}", text, f"{_EXPORT}#{place}")


_KICK_OFF, _STATUS = "bulk-data-kick-off-request", "bulk-data-status-request"
_FILES, _DELETE = "bulk-data-output-file-request", "bulk-data-delete-request"
K1 = _bulk("K1", "The operation is declared where it works.", "endpoint---all-patients")
K2 = _bulk("K2", "A kick-off is answered with 202 and an absolute Content-Location.", _KICK_OFF)
K3 = _bulk("K3", "Without a valid token nothing is exported.", "privacy-and-security-considerations")
K4 = _bulk("K4", "What is refused is refused with an OperationOutcome.", _KICK_OFF)
K5 = _bulk("K5", "_outputFormat takes application/fhir+ndjson, application/ndjson and ndjson.", "query-parameters")
K6 = _bulk("K6", "A format that is not written is refused.", "query-parameters")
S1 = _bulk("S1", "The status is 202 while it goes on, with a time to come again, and ends.", _STATUS)
S2 = _bulk("S2", "The status asks for the token that the kick-off asks for.", "privacy-and-security-considerations")
S3 = _bulk("S3", "The manifest is JSON with transactionTime, requiresAccessToken, output and error.", _STATUS)
S4 = _bulk("S4", "The manifest names the request that it answers (Bulk Data Access 2).", _STATUS)
S5 = _bulk("S5", "Files are there until the time of Expires.", _STATUS)
S6 = _bulk("S6", "What could not be exported is listed, and is nothing.", _STATUS)
F1 = _bulk("F1", "A file is sent as application/fhir+ndjson.", _FILES)
F2 = _bulk("F2", "A line is one resource, of the type that the manifest says.", _FILES)
F3 = _bulk("F3", "A file has as many lines as the manifest says.", _STATUS)
F4 = _bulk("F4", "Files ask for a token where the manifest says so.", "privacy-and-security-considerations")
F5 = Requirement(
    "UNDERSIGN-B1",
    "Files that want a token are on the FHIR base's own host: it goes nowhere else.",
    f"{_EXPORT}#{_FILES}",
)
D1 = Requirement("UNDERSIGN-B2", "An export that is compared holds at least two patients.", f"{_EXPORT}#{_KICK_OFF}")
D2 = _bulk("D2", "A group's export holds its members, and nobody else.", "endpoint---group-of-patients")
D3 = _bulk("D3", "_type keeps the export to the types that it names.", "query-parameters")
D4 = _bulk("D4", "_since keeps the export to what changed after it.", "query-parameters")
D5 = Requirement(
    "UNDERSIGN-B3", "A patient has the same features by bulk export and by REST.", f"{_EXPORT}#{_KICK_OFF}"
)
E1 = _bulk("E1", "DELETE at the status cancels an export: 202, and 404 from then on.", _DELETE)
E2 = _bulk("E2", "An export that is given back is gone.", _DELETE)
