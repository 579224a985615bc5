"""Who is asking: the practitioner behind an EHR's user token or a browser session."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Practitioner:
    """An authenticated user of one EHR, with the Practitioner that the EHR says the user is.

    ``reference`` is ``Practitioner/<id>`` at the EHR ``ehr``; ``role`` the PractitionerRole reference that
    lets this person prescribe, known only after the live check, as is ``specialist``; ``method`` is
    ``smart-bearer`` or ``smart-session``; ``authenticated`` when the user logged in (UTC), ``subject`` the token's
    ``sub``. ``auth_time``, ``acr`` and ``amr`` are the token's claims of these names (OpenID Connect Core §2, RFC 9068
    §2.2.1): ``auth_time`` is None where it does not say when the user logged in, and ``authenticated`` is then
    no more than when the token was made.
    """

    reference: str
    display: str | None
    ehr: str
    role: str | None
    subject: str
    method: str
    authenticated: datetime
    auth_time: datetime | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    specialist: bool = False
