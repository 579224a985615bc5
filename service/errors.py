"""The service's branch of the error tree (drawn in fhir_adapters.errors) and its mapping to HTTP.

ServiceError
├── BadRequest      400  the request is not what the operation takes
├── Unauthenticated 401  nobody we know; says nothing of why
├── Forbidden       403  known, but not allowed
├── NotFound        404
├── NotAcceptable   406  nothing that the caller takes can be answered
├── Conflict        409  the draft has moved on: state, version or digest differ
├── Precondition    412  a required input is neither in the request nor obtainable
├── TooLarge        413
├── Unprocessable   422  readable, but against a rule of the draft
├── TooMany         429
├── EhrFailed       502  the EHR answered with an error or not at all
├── Unavailable     503  the store or model is not ready
│   └── Busy        503  too much at once; says when to come again
└── ConfigError     –    settings that cannot be used; the command line stops with status 2
"""

from typing import ClassVar

from fhir_adapters.errors import InputError, UndersignError


class ServiceError(UndersignError):
    """An error of the service with its HTTP status and FHIR issue type."""

    status: ClassVar[int] = 500
    issue: ClassVar[str] = "exception"


class BadRequest(ServiceError):
    """400."""

    status = 400
    issue = "invalid"


class Unauthenticated(ServiceError):
    """401; the message stays general, the log has the reason."""

    status = 401
    issue = "login"


class Forbidden(ServiceError):
    """403."""

    status = 403
    issue = "forbidden"


class NotFound(ServiceError):
    """404."""

    status = 404
    issue = "not-found"


class NotAcceptable(ServiceError):
    """406."""

    status = 406
    issue = "not-supported"


class Conflict(ServiceError):
    """409."""

    status = 409
    issue = "conflict"


class Precondition(ServiceError):
    """412."""

    status = 412
    issue = "required"


class TooLarge(ServiceError):
    """413."""

    status = 413
    issue = "too-long"


class Unprocessable(ServiceError):
    """422."""

    status = 422
    issue = "business-rule"


class TooMany(ServiceError):
    """429."""

    status = 429
    issue = "throttled"


class EhrFailed(ServiceError):
    """502."""

    status = 502
    issue = "transient"


class Unavailable(ServiceError):
    """503."""

    status = 503
    issue = "transient"


class Busy(Unavailable):
    """503 with Retry-After: the same request may succeed in ``retry_after_s`` seconds."""

    def __init__(self, code: str, message: str, retry_after_s: int) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class ConfigError(ServiceError):
    """Settings that cannot be used."""


def http_status(error: UndersignError) -> int:
    """Return the HTTP status of any error of the tree."""
    if isinstance(error, ServiceError):
        return error.status
    if error.code == "U-JSON-SIZE":
        return 413
    return 400 if isinstance(error, InputError) else 500


def operation_outcome(error: UndersignError) -> dict[str, object]:
    """Return the error as an R4 OperationOutcome with the stable code in ``details``."""
    issue = error.issue if isinstance(error, ServiceError) else "invalid"
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": issue,
                "details": {"coding": [{"system": ERROR_SYSTEM, "code": error.code}], "text": error.message},
            }
        ],
    }


ERROR_SYSTEM = "https://undersign.dev/fhir/CodeSystem/error"
