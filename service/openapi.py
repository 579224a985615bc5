"""The OpenAPI document: what each machine-readable route takes, and every status that it answers with.

FastAPI writes the paths; bodies and statuses are ours, since the routes read bytes and answer FHIR themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.cds import discovery
from service.fhir.capabilities import SEARCHES

Json = dict[str, Any]
_MEANS: Mapping[int, str] = {
    400: "The request is not what the operation takes",
    401: "Nobody we know; nothing is said of why",
    403: "Known, but not allowed",
    404: "There is no such thing",
    406: "FHIR R4 as JSON is not among what the caller takes",
    409: "What the request is about has moved on",
    412: "Required data were not sent and could not be read; the keys and searches are named",
    413: "The body is too large",
    422: "Readable, but against a rule",
    429: "Too many calls; see Retry-After",
    502: "The EHR failed",
    503: "Store, model, keys or the EHR's time are not to be had; try again, where Retry-After says so then",
}
_HOOK = (400, 401, 403, 404, 412, 413, 429, 503)
_SIGNING = (400, 401, 403, 404, 406, 409, 413, 422, 502, 503)
_READING = (400, 401, 403, 404, 406, 502, 503)
# Path → what its operation refuses with, beside its success; of FHIR paths ``_refusals`` tells.
_REFUSALS: Mapping[str, Sequence[int]] = {
    "/cds-services/{service_id}": _HOOK,
    "/cds-services/{service_id}/feedback": (400, 401, 404, 409, 413, 429, 503),
    "/fhir/MedicationRequest/{ident}/$revoke": _SIGNING,
    "/fhir/MedicationRequest/{ident}/$refer": _SIGNING,
    "/fhir/metadata": (406,),
    "/readyz": (503,),
}
_PARTLY_OPEN = frozenset({"/fhir/{kind}", "/fhir/{kind}/{ident}"})  # the Device, and the count of what is held
_NOBODY: Json = {}
_CREATES = frozenset({"/fhir/Patient/{ident}/$attest"})
_TEXT: Json = {"type": "string"}
_CODING: Json = {
    "type": "object",
    "properties": {"system": _TEXT, "code": _TEXT, "display": _TEXT},
    "required": ["code"],
}
_OUTCOME: Json = {
    "type": "object",
    "description": "http://hl7.org/fhir/R4/operationoutcome.html with one stable code in details.coding",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["severity", "code"]}},
    },
}
_HOOK_REQUEST: Json = {
    "type": "object",
    "description": "https://cds-hooks.hl7.org/2.0/#http-request_1; fields that are not listed are tolerated",
    "required": ["hook", "hookInstance", "context"],
    "properties": {
        "hook": {"enum": [service.hook for service in discovery.services().values()]},
        "hookInstance": {"type": "string", "format": "uuid"},
        "fhirServer": {"type": "string", "format": "uri"},
        "fhirAuthorization": {"type": "object", "required": ["access_token"], "properties": {"access_token": _TEXT}},
        "context": {
            "type": "object",
            "required": ["patientId", "userId"],
            "properties": {
                "patientId": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"},
                "userId": {"type": "string", "pattern": r"^(Practitioner|PractitionerRole)/[A-Za-z0-9\-.]{1,64}$"},
                "draftOrders": {"type": "object"},
                "selections": {"type": "array", "items": _TEXT},
            },
        },
        "prefetch": {"type": "object", "additionalProperties": {"type": ["object", "null"]}},
        "extension": {"type": "object"},
    },
}
_CARDS: Json = {
    "type": "object",
    "required": ["cards"],
    "properties": {
        "cards": {
            "type": "array",
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["uuid", "summary", "indicator", "source"],
                "properties": {
                    "summary": {"type": "string", "minLength": 1, "maxLength": 139},
                    "indicator": {"enum": ["info", "warning", "critical"]},
                },
            },
        }
    },
}
_SERVICES: Json = {
    "type": "object",
    "required": ["services"],
    "properties": {
        "services": {"type": "array", "items": {"type": "object", "required": ["hook", "id", "description"]}}
    },
}
_FEEDBACK: Json = {
    "type": "object",
    "required": ["feedback"],
    "properties": {
        "feedback": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["card", "outcome", "outcomeTimestamp"],
                "properties": {
                    "card": {"type": "string", "format": "uuid"},
                    "outcome": {"enum": ["accepted", "overridden"]},
                    "outcomeTimestamp": {"type": "string", "format": "date-time"},
                    "acceptedSuggestions": {
                        "type": "array",
                        "items": {"type": "object", "required": ["id"], "properties": {"id": _TEXT}},
                    },
                    "overrideReason": {"type": "object", "properties": {"reason": _CODING, "userComment": _TEXT}},
                },
            },
        }
    },
}
_RESOURCE: Json = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": _TEXT}}
_PARAMETERS: Json = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {
        "resourceType": {"const": "Parameters"},
        "parameter": {
            "type": "array",
            "items": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}},
        },
    },
}
_BODIES: Mapping[str, Json] = {
    "/cds-services/{service_id}": _HOOK_REQUEST,
    "/cds-services/{service_id}/feedback": _FEEDBACK,
}
_ANSWERS: Mapping[str, Json] = {
    "/cds-services": _SERVICES,
    "/cds-services/{service_id}": _CARDS,
}
_WITHOUT_BODY = frozenset({"/cds-services/{service_id}/feedback"})
_CHOICES: Mapping[str, Sequence[str]] = {"service_id": tuple(discovery.services()), "kind": tuple(SEARCHES)}
_PLAIN: Mapping[str, str] = {"/metrics": "text/plain", "/model-card": "text/html"}


def document(app: FastAPI) -> Json:
    """Return the document of an application's routes, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        made["components"] = {
            "schemas": {"OperationOutcome": _OUTCOME},
            "securitySchemes": {"jwt": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        }
        for path, operations in cast(dict[str, Json], made["paths"]).items():
            for method, operation in operations.items():
                _describe(path, operation, _refusals(path, method))
        app.openapi_schema = made
    return app.openapi_schema


def _describe(path: str, operation: Json, refusals: Sequence[int]) -> None:
    success = "201" if path in _CREATES else "200"
    operation["responses"] = {success: _success(path)} | {str(one): _refusal(one) for one in refusals}
    if 401 in refusals:
        open_to_all = [_NOBODY] if path in _PARTLY_OPEN else []
        operation["security"] = [{"jwt": []}, *open_to_all]
    for parameter in operation.get("parameters", []):
        if parameter["name"] in _CHOICES:
            parameter["schema"] = {"enum": list(_CHOICES[parameter["name"]])}
    if path in _BODIES:
        operation["requestBody"] = _body("application/json", _BODIES[path])
    elif "$" in path and refusals is _SIGNING:
        operation["requestBody"] = _body("application/fhir+json", _PARAMETERS)


def _refusals(path: str, method: str) -> Sequence[int]:
    """Every FHIR path with an id or a type in it reads records, or changes them, as a practitioner."""
    if path.startswith("/fhir/") and "{" in path:
        return _READING if method == "get" else _SIGNING
    return _REFUSALS.get(path, ())


def _success(path: str) -> Json:
    if path.startswith("/fhir"):
        return {"description": "The resource", "content": {"application/fhir+json": {"schema": _RESOURCE}}}
    if path in _WITHOUT_BODY:
        return {"description": "Success, without a body"}
    kind = _PLAIN.get(path, "application/json")
    schema = _ANSWERS.get(path, _TEXT if path in _PLAIN else {"type": "object"})
    content = {kind: {"schema": schema}} | ({"application/json": {}} if path == "/model-card" else {})
    return {"description": "Success", "content": content}


def _refusal(status: int) -> Json:
    outcome = {"$ref": "#/components/schemas/OperationOutcome"}
    return {"description": _MEANS[status], "content": {"application/fhir+json": {"schema": outcome}}}


def _body(kind: str, schema: Json) -> Json:
    return {"required": True, "content": {kind: {"schema": schema}}}
