"""What the EHR says of itself: SMART and OpenID discovery, and the CapabilityStatement."""

from datetime import datetime

from conformance.reference_ehr.dialects import PLAIN, Dialect
from conformance.reference_ehr.parameters import COMMON, KNOWN, PARAMETERS
from conformance.reference_ehr.refusals import Json

WHAT_IT_IS_NOT = (
    "A small reference EHR for development and tests, on loopback. Not a product, not certified, not for "
    "anybody's data: its people are synthetic, everything is in memory, and there are no passwords. No XML, "
    "chained search, terminology server or subscriptions."
)
CREATABLE = ("MedicationRequest", "Provenance", "DocumentReference", "Task")
"""The types that a client may write; the rest of a chart is read only here."""


def smart_configuration(root: str) -> Json:
    """Return ``.well-known/smart-configuration`` (SMART App Launch 2.2), OpenID discovery too."""
    return {
        "issuer": f"{root}/fhir",
        "authorization_endpoint": f"{root}/authorize",
        "token_endpoint": f"{root}/token",
        "jwks_uri": f"{root}/jwks.json",
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "id_token_signing_alg_values_supported": ["ES384"],
        "subject_types_supported": ["public"],
        "scopes_supported": [
            "openid",
            "fhirUser",
            "launch",
            "launch/patient",
            "patient/*.rs",
            "user/*.rs",
            "system/*.rs",
            *(f"system/{name}.crus" for name in CREATABLE),
        ],
        "capabilities": [
            "launch-ehr",
            "launch-standalone",
            "authorize-post",
            "client-public",
            "client-confidential-asymmetric",
            "sso-openid-connect",
            "context-ehr-patient",
            "context-standalone-patient",
            "permission-patient",
            "permission-user",
            "permission-v2",
        ],
    }


def served(dialect: Dialect) -> tuple[str, ...]:
    """Return the resource types that this EHR has in a dialect, writable ones in R4 among them."""
    known = KNOWN if dialect.fhir_version == "DSTU2" else PARAMETERS
    return tuple(name for name in known if name not in dialect.unserved)


def capability_statement(root: str, started: datetime, dialect: Dialect) -> Json:
    """Return the R4 CapabilityStatement, written from the same tables that the server works by.

    In another dialect it says which: its interface stays R4, since that is what clients write.
    """
    plain = dialect.name == PLAIN
    what = WHAT_IT_IS_NOT if plain else f"{WHAT_IT_IS_NOT} Charts come in the dialect {dialect.name} ({dialect.what})."
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "experimental": True,
        "date": started.date().isoformat(),
        "kind": "instance",
        "description": what,
        "software": {"name": "Reference EHR (synthetic)"},
        "implementation": {"description": what, "url": f"{root}/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": _security(root),
                "resource": [_resource(name) for name in sorted(served(dialect))],
                "interaction": [{"code": "transaction"}],
                "operation": [_export("export")],
            }
        ],
    }


def _security(root: str) -> Json:
    oauth = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    service = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    return {
        "service": [{"coding": [{"system": service, "code": "SMART-on-FHIR"}]}],
        "extension": [
            {
                "url": oauth,
                "extension": [
                    {"url": "authorize", "valueUri": f"{root}/authorize"},
                    {"url": "token", "valueUri": f"{root}/token"},
                ],
            }
        ],
    }


def _export(name: str) -> Json:
    """Return the declaration of an operation of Bulk Data Access: on everything, on Patient or on Group."""
    return {"name": "export", "definition": f"http://hl7.org/fhir/uv/bulkdata/OperationDefinition/{name}"}


def _resource(name: str) -> Json:
    interactions = ["read", "vread", "history-instance", "search-type"]
    writing: Json = {}
    if name in CREATABLE:
        interactions += ["create", "update"]
        writing = {"conditionalCreate": True, "updateCreate": False}
    includes = [f"{name}:{key}" for key, p in KNOWN[name].items() if p.kind == "reference"]
    named = {**COMMON, **KNOWN[name]}
    return {
        "type": name,
        "interaction": [{"code": code} for code in interactions],
        "versioning": "versioned-update",
        **writing,
        **({"operation": [_export(f"{name.lower()}-export")]} if name in ("Patient", "Group") else {}),
        **({"searchInclude": includes} if includes else {}),
        "searchParam": [{"name": key, "type": parameter.kind} for key, parameter in sorted(named.items())],
    }
