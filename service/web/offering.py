"""What a page offers to whom: nobody is shown a step that is then refused, where the sign-in told who they are.

What is offered is no permission: the right to prescribe is asked of the EHR again at every step.
"""

from service.cds.words import day
from service.drafts.decision import authority
from service.drafts.records import Draft
from service.switches.in_force import InForce
from service.web.opening import Opened

_IN_EHR = "Orders are signed in this EHR: accept it on the card there."
NO_ROLE = "Not yours to sign: the EHR has no active role for you that may prescribe."
_STOPPED = "Switched off at this site since {since}: it is not signed here now."
_SPECIALIST = "Left to a specialist at this site: ask a psychiatrist."


def barred(opened: Opened, draft: Draft, stopped: InForce) -> str:
    """Return why a draft is not offered for signing to this user, empty where it is or where nothing is known."""
    tenant = opened.services.tenant(draft.ehr)
    switch = stopped.tenant or stopped.drugs.get(draft.ingredient)
    if switch is not None:
        return _STOPPED.format(since=day(switch.since.date()))
    if tenant.write_back == "card":
        return _IN_EHR
    if opened.session.prescribes is False:
        return NO_ROLE
    leaves = tenant.supervision.others_sign
    if opened.session.specialist is not False or leaves == "all":
        return ""
    return _SPECIALIST if leaves == "none" or authority.is_complex(draft, opened.services.knowledge) else ""
