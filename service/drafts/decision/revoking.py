"""A practitioner takes a signed order back while nothing of it is in the EHR; the revocation is signed too.

Afterwards an order is ended in the EHR, by the EHR's own means. Before anything that may have been sent is given up,
the EHR is searched for it.
"""

from typing import TYPE_CHECKING

from service import telemetry
from service.drafts import operators
from service.drafts.commit import settling
from service.drafts.decision import decisions
from service.drafts.records import Draft
from service.drafts.signature import rejections
from service.ehr.delivery import Mismatch
from service.errors import Conflict
from service.smart.practitioner import Practitioner

if TYPE_CHECKING:
    from service.bootstrap import Services


async def revoke(
    services: "Services",
    draft_id: str,
    practitioner: Practitioner,
    token: str,
    *,
    reason: str | None,
    comment: str | None,
) -> Draft:
    """Revoke the signature of a draft, by its signer or another prescriber of the tenant, and return the draft.

    Conflict U-DRAFT-STATE where there is nothing to revoke, U-ORDER-WRITING while it is being written,
    U-RELEASE-WRITTEN where the EHR has it; Forbidden U-SIGNER-*; EhrFailed when the EHR cannot say: then nothing is
    revoked.
    """
    draft = await decisions.own_draft(services, practitioner.ehr, draft_id)
    settling.check_not_writing(draft)
    if draft.state not in ("signed", "write-failed", "parked"):
        raise Conflict("U-DRAFT-STATE", f"this draft is {draft.state}: there is no signature to revoke; read it again")
    client = services.clients[draft.ehr]
    await client.practitioner_may_prescribe(practitioner.reference, token)
    try:
        tried = await operators.check_not_there(services.store, draft, client)
    except Mismatch as error:
        msg = "the EHR holds more than one order of it, or one without its identifier; have them ended there"
        raise Conflict("U-RELEASE-WRITTEN", msg) from error
    given, now = decisions.reasoned(reason, comment), await services.store.now()
    detail = rejections.signed(
        "revoke", draft, practitioner, given, decisions.assertion(practitioner), services.signer, now
    )
    # The store refuses where it was tried again since the EHR was searched.
    ended = await services.store.settle(draft.id, "revoked", practitioner.reference, {**detail, "attempts": tried})
    telemetry.log().info("revoked", draft=draft.id, ehr=draft.ehr)
    return ended
