"""What a refusal tells a clinician: what was not done, what holds now, and what to do next."""

from collections.abc import Mapping

from fhir_adapters.errors import UndersignError
from service.errors import EhrFailed, http_status

_HEADINGS: Mapping[int, str] = {
    401: "Please sign in again",
    403: "Not allowed",
    404: "Not found",
    409: "The draft has moved on",
    429: "Too much at once",
    502: "The EHR did not answer",
    503: "Not ready",
}
_HEADINGS_OF: Mapping[str, str] = {
    "U-ACKNOWLEDGE": "Not every point was ticked",
    "U-CONSENT-WITHHELD": "No consent to drafts by AI",
    "U-CSRF": "This page is out of date",
    "U-DIGEST": "The order has changed",
    "U-DRAFT-EXPIRED": "This draft's time is over",
    "U-DRAFT-RULES": "The rules have changed",
    "U-DRAFT-SIGNED": "Already signed",
    "U-DRAFT-STATE": "This draft is closed",
    "U-DRAFT-VERSION": "The order has changed",
    "U-ORDER-DAY": "The order is of another day",
    "U-ORDER-EXISTS": "The EHR has a newer order",
    "U-ORDER-PENDING": "Another order is on its way",
    "U-ORDER-UNKNOWN": "The EHR may have a newer order",
    "U-ORDER-WRITING": "The order is on its way",
    "U-SESSION-PATIENT": "Not the patient of this window",
    "U-STEP-UP": "Sign in again first",
    "U-SWITCHED-OFF": "Switched off at this site",
}
_CHANGED = (
    "Nothing was signed: the draft was edited since you opened it, by somebody else or in another window of yours. "
    "Open it and read the exact order again."
)
# What the code alone would not tell a clinician: what still can be done, and by whom.
_WORDS: Mapping[str, str] = {
    "U-SIGNER-ROLE": "The EHR has no active role for you that may prescribe, so you can read and reject this draft "
    "but not sign it. The EHR's registry can tell you why.",
    "U-DRAFT-SIGNED": "This draft was signed in the meantime, so nothing was done a second time. Open it to see who "
    "signed it and where the order is.",
    "U-DRAFT-STATE": "Nothing was done: this draft was decided on or closed in the meantime. Open it to see what "
    "became of it.",
    "U-DRAFT-EXPIRED": "Nothing was ordered of it. Open the chart again in the EHR for what holds now.",
    "U-DRAFT-RULES": "Nothing was signed: the rules have changed since this draft was worked out. Open the chart again "
    "in the EHR for a new draft.",
    "U-DRAFT-VERSION": _CHANGED,
    "U-DIGEST": _CHANGED,
    "U-ACKNOWLEDGE": "Nothing was signed: not every point was ticked. Open the draft and read the order again.",
    "U-ATTEST-CLOSED": "A practitioner has attested that drafting stays closed for this patient. Nothing was signed.",
    "U-ORDER-PENDING": "Nothing was signed: another order of this patient was signed here or accepted in the EHR, and "
    "is not confirmed there yet. See to that one first.",
    "U-ORDER-EXISTS": "Nothing was signed: the EHR has an active order of this drug that is newer than this draft. "
    "Open the chart again in the EHR.",
    "U-ORDER-UNKNOWN": "Nothing was signed: the EHR has an order that may be of this drug and newer than this draft. "
    "Look at the orders there, then open the chart again.",
    "U-ORDER-WRITING": "Nothing was done: the order is being written to the EHR at this moment. Open the draft in half "
    "a minute: it says whether the EHR has taken it.",
    "U-CONSENT-WITHHELD": "Nothing was signed: the patient has said no to suggestions by AI, here or in the EHR, or "
    "the site asks for a yes that is not there. Decide without a draft.",
    "U-STEP-UP": "Nothing was signed: this draft is of high risk, and your sign-in is too old or too weak for it. Sign "
    "in again, then open the draft and sign it.",
    "U-SUPERVISION": "Nothing was signed: this site leaves this draft to a specialist. The draft's page makes a "
    "referral to a psychiatrist.",
    "U-DRAFT-UNKNOWN": "There is no draft under this address. Open the patient's chart again in the EHR, or look in "
    "the worklist.",
}
_CRISIS_WORDS: Mapping[str, str] = {
    "U-SIGNER-ROLE": "The EHR has no active role for you that may prescribe, so nothing was recorded. Somebody who may "
    "prescribe has to state that the risk was assessed. The EHR's registry can tell you why.",
}
_AUTH = "Your session has ended, or the EHR no longer takes it."
_AWAY = "The EHR tells who may see a patient and who may sign, and it did not answer."


def heading(error: UndersignError) -> str:
    """Return the heading of a refusal."""
    return _HEADINGS_OF.get(error.code) or _HEADINGS.get(http_status(error), "That did not work")


def words(error: UndersignError, *, acting: bool, crisis: bool) -> str:
    """Return the refusal in words; ``acting``: a form was sent, so that it is said that nothing came of it."""
    fixed = (_CRISIS_WORDS.get(error.code) if crisis else None) or _WORDS.get(error.code)
    if fixed is not None:
        return fixed
    message = f"{error.message[:1].upper()}{error.message[1:].rstrip('.')}."
    undone = "Nothing was signed or recorded. " if acting else ""
    if error.code == "U-AUTH":
        return f"{undone}{_AUTH}"
    if error.code == "U-CSRF" and acting:
        return f"{undone}The page that you sent is of an earlier sign-in."
    if error.code == "U-SESSION-PATIENT":
        return f"{undone}{message} Open the chart of the patient whom you want again in the EHR."
    if error.code == "U-SWITCHED-OFF":
        return f"{message} {undone}Your site's operators can tell you why; what is signed already is still written."
    if isinstance(error, EhrFailed) and error.code == "U-EHR-UNREACHABLE":
        return f"{undone}{_AWAY} Try again in a moment; until then decide in the EHR itself, or later."
    return f"{undone}{message}"
