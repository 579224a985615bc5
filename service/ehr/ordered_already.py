"""Nothing is ordered twice: what was accepted in the EHR, or ordered there meanwhile, is not signed here as well.

A draft may be accepted on its card while its page is open here, and a colleague may order the same drug in between.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from service.drafts.commit import checks
from service.drafts.records import Draft
from service.drafts.states import UNCONFIRMED
from service.ehr import in_force
from service.ehr.transport import EhrRefused
from service.errors import Conflict, EhrFailed

if TYPE_CHECKING:
    from service.bootstrap import Services


async def check(services: "Services", draft: Draft, order: bytes) -> Mapping[str, str]:
    """Refuse what would be ordered twice: Conflict U-ORDER-PENDING, U-ORDER-EXISTS, U-ORDER-UNKNOWN.

    InputError or EhrFailed where the EHR cannot say what it has. Returns what the record of the signature should say
    of it: an EHR that takes documents only may give no orders to read, and then nothing was checked.
    """
    pending = await services.store.find(ehr=draft.ehr, patient=draft.patient, states=UNCONFIRMED)
    if any(one.id != draft.id for one in pending):
        msg = "another order of this patient was signed or accepted and is not confirmed in the EHR; see to it first"
        raise Conflict("U-ORDER-PENDING", msg)
    try:
        found = await _doubled(services, draft, order)
    except EhrFailed as error:
        if services.tenant(draft.ehr).write_back != "document-only" or not _withheld(error):
            raise
        return {"orders_in_ehr": "not-checked"}
    if found is not None:
        # What the EHR has may be this very draft, signed by another a moment ago: then that is what is said.
        checks.unsigned(await services.store.read(draft.id), await services.store.now())
    if found == "exists":
        msg = "the EHR has an order of this drug that is newer than this draft; open the chart again"
        raise Conflict("U-ORDER-EXISTS", msg)
    if found == "unclear":
        msg = (
            "the EHR has an order that may be of this drug and newer than this draft; look there, open the chart again"
        )
        raise Conflict(in_force.UNKNOWN, msg)
    return {}


async def _doubled(services: "Services", draft: Draft, order: bytes) -> Literal["exists", "unclear"] | None:
    client = services.clients[draft.ehr]
    if client.ehr.write_back == "card":
        return None
    return await in_force.doubled(client, services.profiles[draft.ehr], draft, order)


def _withheld(error: EhrFailed) -> bool:
    """Say whether the EHR does not give orders at all: not only now, nor to a client whose key it does not know."""
    return not error.passing if isinstance(error, EhrRefused) else error.code == "U-EHR-SCOPE"
