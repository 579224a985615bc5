"""Who is asking: the practitioner behind an EHR's user token or a browser session."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Practitioner:
    """An authenticated user of one EHR, with the Practitioner that the EHR says the user is.

    ``reference`` is ``Practitioner/<id>`` at the EHR ``ehr``; ``role`` the PractitionerRole reference that
    lets this person prescribe, known only after the live check; ``method`` is ``smart-bearer`` or
    ``smart-session``; ``authenticated`` when the user logged in (UTC), ``subject`` the token's ``sub``.
    """

    reference: str
    display: str | None
    ehr: str
    role: str | None
    subject: str
    method: str
    authenticated: datetime
