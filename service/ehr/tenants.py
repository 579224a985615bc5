"""Which tenant a call belongs to: by the verified issuer of its token, in development by its FHIR base."""

from collections.abc import Sequence

from service.errors import Forbidden, Unauthenticated
from service.settings import Ehr, Settings


def find(caller: Ehr | None, fhir_server: str | None, settings: Settings) -> Ehr:
    """Return the tenant of a call.

    ``caller`` is the tenant whose key signed the call's token, None without a token. ``fhir_server`` is the
    ``fhirServer`` of the request: it must be the tenant's ``fhir_base`` to the byte, because no free-form
    address is ever fetched. Raises Unauthenticated U-AUTH, Forbidden U-EHR-FHIRSERVER.
    """
    possible = candidates(caller, settings)
    if fhir_server is None:
        if len(possible) == 1:
            return possible[0]
        raise Unauthenticated("U-AUTH", "authentication is required")
    for ehr in possible:
        if ehr.fhir_base == fhir_server:
            return ehr
    raise Forbidden(
        "U-EHR-FHIRSERVER",
        "fhirServer is not the FHIR base of the calling EHR; set ehr.fhir_base to it, to the byte",
    )


def candidates(caller: Ehr | None, settings: Settings) -> Sequence[Ehr]:
    """Return the tenants that may be meant: the caller's own; without a token, those that need none.

    Only development has tenants without a token. Raises Unauthenticated U-AUTH when there is none.
    """
    if caller is not None:
        return (caller,)
    unguarded = tuple(ehr for ehr in settings.ehr if not ehr.cds_client.required)
    if not settings.server.development or not unguarded:
        raise Unauthenticated("U-AUTH", "authentication is required")
    return unguarded
