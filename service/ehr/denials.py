"""What is said where an EHR does not allow something: which scope is missing, and who grants it to whom."""

from service.ehr.transport import DENYING, EhrDenied, EhrRefused
from service.errors import Forbidden, Unauthenticated


def of_client(error: EhrRefused, client: str, scope: str) -> EhrRefused:
    """Return a refusal of what our own ``client`` asked with ``scope``: U-EHR-SCOPE naming it for 401 and 403."""
    if error.http_status not in DENYING:
        return error
    said = f"The EHR does not allow our client {client} what it asks with {scope} ({error.http_status})"
    told = f"{said}: its administrator grants that scope."
    return EhrDenied("U-EHR-SCOPE", told, error.http_status, error.retry_after_s, scope)


def of_signer(error: EhrRefused, client: str, scope: str) -> Exception:
    """Return what a signer is told where the EHR does not give their Practitioner or PractitionerRole to them.

    Unauthenticated U-AUTH for 401, EhrDenied U-EHR-SCOPE for 403, Forbidden U-SIGNER-UNKNOWN for a Practitioner who is
    not there, else the refusal itself.
    """
    if error.http_status == 401:
        return Unauthenticated("U-AUTH", "Sign in at the EHR and try again.")
    if error.http_status == 403:
        said = f"The EHR does not let your sign-in use {scope} (403)"
        return EhrDenied("U-EHR-SCOPE", f"{said}: its administrator grants it to the client {client}.", 403)
    if scope == "user/Practitioner.r" and error.http_status in (404, 410):
        return Forbidden("U-SIGNER-UNKNOWN", "The EHR does not know this practitioner; sign in again.")
    return error


def of_consents(error: EhrRefused, client: str) -> EhrDenied:
    """Return what a signer is told where the EHR does not let the patient's Consents be searched."""
    said = f"The EHR does not say what this patient consents to ({error.http_status}), so nothing is signed"
    told = (
        f"{said}: its administrator opens the search of Consent and grants user/Consent.rs to the client {client}; "
        "an EHR that keeps no Consents at all is told so in its profile (search.Consent.supported = false)."
    )
    return EhrDenied("U-EHR-CONSENT", told, error.http_status)
