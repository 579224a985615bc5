"""What a page sends back: plain forms, as browsers send them without scripts."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from starlette.requests import Request

from service.errors import BadRequest

Form = Mapping[str, Sequence[str]]
_MAX_FIELDS = 50


async def read(request: Request) -> Form:
    """Return a plain form's fields; BadRequest U-REQUEST for anything that these pages do not send.

    They stay with the request, so that a refusal can give back what was typed.
    """
    try:
        request.state.form = parse_qs(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS
        )
        return request.state.form
    except ValueError as error:
        raise BadRequest("U-REQUEST", "The form cannot be read: open the page again.") from error


def one(form: Form, name: str) -> str:
    """Return a field's first value without the spaces around it, empty where it was not sent."""
    return form.get(name, [""])[0].strip()
