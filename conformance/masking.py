"""What leaves the hospital in an evidence file: never a token, and by default nobody's name, address or number.

Codes, values, units, dates and ids of resources stay: the verdicts stand on them, and a recording is judged again.
"""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import msgspec

MASKED = "masked"
_SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"})
_SECRET_FIELDS = frozenset(
    {"access_token", "refresh_token", "id_token", "client_assertion", "client_secret", "code", "code_verifier"}
)
# Elements of FHIR resources that say who somebody is, or that hold free text in which anybody may be named.
_WHO = frozenset({"name", "telecom", "address", "photo", "contact", "communication"})
_WORDS = frozenset(
    {"div", "note", "description", "comment", "userComment", "patientInstruction", "authorString", "data"}
)
_PEOPLE = frozenset({"Patient", "Practitioner", "RelatedPerson", "Person"})


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """Return headers with secrets masked, whatever the setting."""
    return {name: MASKED if name.lower() in _SECRET_HEADERS else value for name, value in found.items()}


def body(raw: bytes, *, keep_people: bool) -> str:
    """Return a body as text: secrets masked always, people where ``keep_people`` is False."""
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return _other(raw, keep_people)
    return msgspec.json.encode(_masked(value, keep_people)).decode()


def _other(raw: bytes, keep_people: bool) -> str:
    """Return what is no JSON value: lines of JSON, a form, or text; broken FHIR is not shown, for it has names too."""
    text = raw.decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):  # NDJSON
        return "\n".join(body(line.encode(), keep_people=keep_people) for line in lines)
    if re.fullmatch(r"[\w.\-]+=[^\n]*", text.strip()):
        pairs = parse_qsl(text, keep_blank_values=True)
        return urlencode([(name, MASKED if name in _SECRET_FIELDS else value) for name, value in pairs])
    hidden = not keep_people and "resourceType" in text
    return f"[{len(raw)} bytes of FHIR that are no JSON]" if hidden else text


def _masked(value: Any, keep_people: bool, kind: str = "") -> Any:
    if isinstance(value, list):
        return [_masked(one, keep_people, kind) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found = cast("dict[str, Any]", value)
    kind = str(found.get("resourceType", kind))
    return {name: _element(name, one, found, kind, keep_people) for name, one in found.items()}


def _element(name: str, value: Any, holder: Mapping[str, Any], kind: str, keep_people: bool) -> Any:
    # In a resource, or beside a system, a code is a code and no secret of OAuth's.
    plain_code = name == "code" and (kind or "system" in holder)
    if name in _SECRET_FIELDS and isinstance(value, str) and not plain_code:
        return MASKED
    if keep_people:
        return _masked(value, keep_people, kind)
    if (name in _WHO and kind in _PEOPLE) or name in _WORDS:
        return _blank(value)
    if name == "identifier":
        return (
            [
                {**cast("dict[str, Any]", one), "value": MASKED} if isinstance(one, dict) and "value" in one else one
                for one in cast("list[Any]", value)
            ]
            if isinstance(value, list)
            else value
        )
    if name == "display" and "reference" in holder:
        return MASKED
    return _masked(value, keep_people, kind)


def _blank(value: Any) -> Any:
    """Return the same shape with every text masked, so that what was there can still be seen to be there."""
    if isinstance(value, list):
        return [_blank(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _blank(one) for name, one in cast("dict[str, Any]", value).items()}
    return MASKED if isinstance(value, str) else value
