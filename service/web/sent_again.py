"""What somebody had typed when a form was refused: shown again, and sent again by one press, so that nothing is lost.

Nothing of it is kept here: it goes back to the browser that sent it, and only where the browser says that our own page
had sent it. It works without scripts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from service.web import forms
from service.web.forms import Form

_TYPED = {
    "note": "Note",
    "comment": "Comment",
    "each_mg": "Each dose, mg",
    "times": "Times a day",
    "days": "Days",
    "quantity": "Quantity",
    "repeats": "Repeats",
    "start": "From",
    "end": "Until",
    "assessed": "Assessed on",
    "review_on": "Seen next on",
}
_CHOSEN = ("digest", "version", "acknowledgement", "draft", "reason", "own", "drug", "decision", "told_by", "result")
_FIELDS = (*_TYPED, *_CHOSEN, "reviewer")
# Refused for now, or for want of a session: the same form may be taken a moment later.
_PASSING = (401, 429, 502, 503)


@dataclass(frozen=True, slots=True)
class Sent:
    """A form as it was sent: what was typed, by the name of its field, every field to send once more, and its token."""

    path: str
    csrf: str
    typed: Sequence[tuple[str, str]]
    fields: Sequence[tuple[str, str]]


def of(request: Request, public_url: str) -> Sent | None:
    """Return the form of a request that our own page sent, None for any other request."""
    form: Form | None = getattr(request.state, "form", None)
    own = urlsplit(public_url)
    if form is None or request.headers.get("origin") != f"{own.scheme}://{own.netloc}":
        return None
    fields = [(name, value) for name in _FIELDS for value in form.get(name, ())]
    typed = [(_TYPED[name], value) for name, value in fields if name in _TYPED and value.strip()]
    return Sent(request.url.path, forms.one(form, "csrf"), typed, fields)


def may_pass(status: int, code: str) -> bool:
    """Say whether the same form may be taken when it is sent again."""
    return status in _PASSING and code != "U-SWITCHED-OFF"
