"""Whether a patient's record is still the one in use, asked in the moment of a signature.

Records are merged: http://hl7.org/fhir/R4/patient.html#links. The orders and Consents of a record that was replaced are
kept under the other one, so what is searched under the old one is not there, and that says nothing.
"""

from typing import Any, cast

from service.ehr.client import EhrClient
from service.ehr.readback import read_resource
from service.ehr.transport import EhrRefused
from service.errors import Conflict, EhrFailed, Forbidden


async def check(client: EhrClient, patient: str, token: str) -> None:
    """Pass only a Patient in use, read with the signer's token.

    Conflict U-PATIENT-RECORD for one that another has replaced or that is not active; Forbidden U-SESSION-PATIENT where
    the EHR does not give it to the signer; EhrFailed where it cannot say.
    """
    try:
        found = read_resource(await client.read(patient, token))
    except EhrRefused as error:
        if error.passing:
            raise
        raise Forbidden("U-SESSION-PATIENT", "The EHR does not open this patient's chart to you.") from error
    if f"{found.get('resourceType')}/{found.get('id')}" != patient:
        raise EhrFailed("U-EHR-ANSWER", "The EHR's Patient cannot be read; ask its operators.")
    if found.get("active") is False or _is_replaced(found):
        msg = "this patient's record is no longer in use: it was merged into another; open the chart of that one"
        raise Conflict("U-PATIENT-RECORD", msg)


def _is_replaced(patient: dict[str, Any]) -> bool:
    listed = patient.get("link")
    links = cast("list[object]", listed) if isinstance(listed, list) else []
    known = [cast("dict[str, Any]", one) for one in links if isinstance(one, dict)]
    return any(one.get("type") == "replaced-by" for one in known)
