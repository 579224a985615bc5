"""The hook request: typed where we read it, tolerant of everything else in it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from service.cds.discovery import ORDER_SELECT, ORDER_SIGN, Service
from service.errors import BadRequest, Forbidden

# http://hl7.org/fhir/R4/datatypes.html#id, but for the two that are a step in a path: "Patient/.." is no Patient.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
_USER = re.compile(rf"(Practitioner|PractitionerRole|Patient|RelatedPerson)/{_ID.pattern}")
# RFC 4122 §3, with or without its URN; looser forms may be of any length, and the text is kept and logged.
_INSTANCE = re.compile(r"(urn:uuid:)?[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
# RFC 6749 §A.12 but for the space, as RFC 6750 §2.1 has it: the token becomes a header of our own.
_TOKEN = re.compile(r"[!-~]{1,16384}")
_PRACTITIONER = ("Practitioner/", "PractitionerRole/")


class _Authorization(msgspec.Struct):
    access_token: str
    patient: str | None = None


class _Envelope(msgspec.Struct):
    hook: str
    hookInstance: str  # noqa: N815
    context: msgspec.Raw = msgspec.Raw(b"null")
    prefetch: dict[str, msgspec.Raw] | None = None
    fhirServer: str | None = None  # noqa: N815
    fhirAuthorization: _Authorization | None = None  # noqa: N815


class _Context(msgspec.Struct):
    patientId: str  # noqa: N815
    userId: str  # noqa: N815
    draftOrders: msgspec.Raw = msgspec.Raw()  # noqa: N815
    selections: list[str] | None = None


@dataclass(frozen=True, slots=True)
class HookCall:
    """One hook call. ``token`` is the EHR's access token: for this call, never kept or logged.

    ``draft_orders`` is the Bundle of the orders being written, None for a hook without them; ``selections`` are the
    references of those that order-select is about.
    """

    hook_instance: str
    patient_id: str
    user: str
    prefetch: Mapping[str, bytes]
    fhir_server: str | None
    token: str | None = field(repr=False)
    draft_orders: bytes | None = None
    selections: tuple[str, ...] = ()


def parse(raw: bytes, service: Service) -> HookCall:
    """Return the call in a body that strict JSON has passed.

    Raises BadRequest U-CDS-REQUEST, U-CDS-HOOK (the service is for another hook), U-CDS-CONTEXT; Forbidden
    U-CDS-USER, U-CDS-PATIENT (a token bound to another patient).
    """
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
    except msgspec.ValidationError as error:
        raise BadRequest("U-CDS-REQUEST", f"not a hook request: {error}") from error
    if envelope.hook != service.hook:
        raise BadRequest("U-CDS-HOOK", f"{service.id} answers {service.hook}; call the service of the other hook")
    _check_instance(envelope.hookInstance)
    context = _context(envelope.context)
    _check_orders(context, service)
    _check_authorization(envelope, context.patientId)
    token = envelope.fhirAuthorization.access_token if envelope.fhirAuthorization else None
    prefetch = {key: bytes(value) for key, value in (envelope.prefetch or {}).items()}
    return HookCall(
        hook_instance=envelope.hookInstance,
        patient_id=context.patientId,
        user=context.userId,
        prefetch=prefetch,
        fhir_server=envelope.fhirServer,
        token=token,
        draft_orders=bytes(context.draftOrders) or None,
        selections=tuple(context.selections or ()),
    )


def _check_instance(text: str) -> None:
    if not _INSTANCE.fullmatch(text):
        raise BadRequest("U-CDS-REQUEST", "hookInstance must be a UUID, such as d1577c69-dfbe-44ad-ba6d-3e05e953b2ea")


def _context(raw: msgspec.Raw) -> _Context:
    try:
        context = msgspec.json.decode(raw, type=_Context)
    except msgspec.ValidationError as error:
        raise BadRequest(
            "U-CDS-CONTEXT",
            f"context needs patientId and userId as strings, selections as their list: {error}",
        ) from error
    if not _ID.fullmatch(context.patientId):
        raise BadRequest("U-CDS-CONTEXT", "context.patientId must be a FHIR id, without Patient/ before it")
    if not _USER.fullmatch(context.userId):
        raise BadRequest("U-CDS-CONTEXT", "context.userId must be a reference such as Practitioner/id")
    if not context.userId.startswith(_PRACTITIONER):
        raise Forbidden("U-CDS-USER", "this service answers practitioners only; do not call it for patients")
    return context


def _check_orders(context: _Context, service: Service) -> None:
    """Orders are what these two hooks are about: a call without them is no empty order set."""
    if service.hook in (ORDER_SELECT, ORDER_SIGN) and not bytes(context.draftOrders):
        raise BadRequest("U-CDS-CONTEXT", f"{service.hook} needs context.draftOrders, a Bundle of the orders")
    if service.hook == ORDER_SELECT and not context.selections:
        raise BadRequest("U-CDS-CONTEXT", "order-select needs context.selections, the references of what was selected")


def _check_authorization(envelope: _Envelope, patient_id: str) -> None:
    given = envelope.fhirAuthorization
    if given is None:
        return
    if not _TOKEN.fullmatch(given.access_token):
        raise BadRequest("U-CDS-REQUEST", "fhirAuthorization.access_token is no Bearer token (RFC 6750)")
    if envelope.fhirServer is None:
        raise BadRequest("U-CDS-REQUEST", "fhirAuthorization needs fhirServer beside it")
    if given.patient is not None and given.patient != patient_id:
        raise Forbidden("U-CDS-PATIENT", "fhirAuthorization is for another patient than context.patientId")
