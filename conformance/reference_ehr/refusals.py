"""What the reference EHR answers when it refuses: an HTTP status with an OperationOutcome or OAuth error."""

from typing import Any

from fhir_adapters.errors import UndersignError

Json = dict[str, Any]


class Refusal(UndersignError):
    """A request that the EHR refuses; ``status`` is HTTP's, ``issue`` is FHIR's issue type."""

    def __init__(self, status: int, issue: str, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status
        self.issue = issue


class OAuthRefusal(UndersignError):
    """A refused authorisation or token request; ``error`` is OAuth's own word (RFC 6749 §4.1.2.1, §5.2)."""

    def __init__(self, error: str, message: str, status: int = 400) -> None:
        super().__init__("U-REF-OAUTH", message)
        self.error = error
        self.status = status


def operation_outcome(refusal: Refusal) -> Json:
    """Return the refusal as an R4 OperationOutcome."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": refusal.issue,
                "details": {"text": refusal.message},
                "diagnostics": refusal.code,
            }
        ],
    }


def not_found(what: str) -> Refusal:
    """Return the refusal for something that is not here; ``what`` names a type or kind, never a value."""
    return Refusal(404, "not-found", "U-REF-NOT-FOUND", f"There is no such {what} here.")


def invalid(message: str) -> Refusal:
    """Return the refusal for a request that is not what the interaction takes."""
    return Refusal(400, "invalid", "U-REF-INVALID", message)
