"""Which practitioner may sign which draft, beyond the right to prescribe: step-up and supervision.

Asked each time a draft is signed, of what the token says and of what the draft's rules said. What a refusal says holds
nothing of the patient: the page shows why the draft is of high risk.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from recommender.assessment import Reason
from recommender.catalog.knowledge import Knowledge
from recommender.gate.high_risk import high_risk
from service.drafts.canonical_json import load_object
from service.drafts.order import dosages
from service.drafts.records import Draft
from service.errors import Forbidden
from service.settings import Sign, Supervision, Users
from service.smart.practitioner import Practitioner

_UNTOLD: Mapping[str, str] = {"HR00": "what the rules said of it is not on record"}


def risks(draft: Draft, knowledge: Knowledge) -> Mapping[str, str]:
    """Return the rows that make a draft a high-risk one, with their words; empty for one that is not.

    A draft that does not say what its rules found is one.
    """
    found = load_object(draft.context).get("reasons")
    try:
        reasons = msgspec.convert(found, list[Reason], strict=False)
    except msgspec.ValidationError:
        return _UNTOLD
    return {row.id: row.words for row in high_risk(draft.ingredient, reasons, knowledge)}


def risks_of(drafts: Iterable[Draft], knowledge: Knowledge) -> list[str]:
    """Return the words of all rows that make any of these drafts a high-risk one, once each."""
    return list(dict.fromkeys(words for draft in drafts for words in risks(draft, knowledge).values()))


def is_complex(draft: Draft, knowledge: Knowledge) -> bool:
    """Say whether a draft is of high risk, or its assessment asks for a psychiatrist, or does not say whom it asks."""
    context = load_object(draft.context)
    people = {dosages.mapping(one).get("to") for one in dosages.sequence(context.get("to_tell"))}
    return "to_tell" not in context or "psychiatrist" in people or bool(risks(draft, knowledge))


def is_stepped_up(practitioner: Practitioner, sign: Sign, users: Users, now: datetime) -> bool:
    """Say whether the token proves a login that is new enough, and in the way that the site asks for."""
    login = practitioner.auth_time
    if login is None or (now - login).total_seconds() > sign.step_up_max_age_s:
        return False
    strong = not users.step_up_acr or practitioner.acr in users.step_up_acr
    return strong and (not users.step_up_amr or not set(practitioner.amr).isdisjoint(users.step_up_amr))


def check_step_up(
    draft: Draft, knowledge: Knowledge, who: Practitioner, sign: Sign, users: Users, now: datetime
) -> None:
    """Refuse to sign a high-risk draft by a login that is too old or too weak: Forbidden U-STEP-UP."""
    if risks(draft, knowledge) and not is_stepped_up(who, sign, users, now):
        msg = (
            f"This draft is of high risk: sign in at the EHR again, at most {sign.step_up_max_age_s} seconds before "
            "signing and in the way that this site asks for, then sign it."
        )
        raise Forbidden("U-STEP-UP", msg)


def check_supervision(draft: Draft, knowledge: Knowledge, who: Practitioner, policy: Supervision) -> None:
    """Refuse what the site leaves to its specialists: Forbidden U-SUPERVISION."""
    if who.specialist or policy.others_sign == "all":
        return
    if policy.others_sign == "none" or is_complex(draft, knowledge):
        msg = "This site leaves this draft to a specialist: ask a psychiatrist; $refer makes a draft of the referral."
        raise Forbidden("U-SUPERVISION", msg)


def recorded(draft: Draft, knowledge: Knowledge, who: Practitioner, policy: Supervision) -> dict[str, Any]:
    """Return what a signature's record keeps: the risk and, where the site names specialists, whether one signed."""
    told = {"specialist": who.specialist} if policy.specialist_role_codes else {}
    return {"risk": "high" if risks(draft, knowledge) else "usual", **told}
