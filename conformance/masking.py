"""What leaves the hospital in an evidence file: never a token, and by default nobody's name, address or number.

Codes, values, units, dates and ids of resources stay: the verdicts stand on them, and a recording is judged again.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import msgspec

from conformance.wording import MASKED, listed, quoted

# What verdicts and people read of a request or an answer; another header may hold a token, a number or a name.
_HEADERS = listed(
    "accept allow cache-control connection content-encoding content-length content-location content-type date etag "
    "expires host if-match if-none-exist if-none-match last-modified location origin pragma prefer retry-after "
    "server strict-transport-security transfer-encoding user-agent vary x-forwarded-proto x-progress x-request-id "
    "x-took-ms"
)
_SECRET_FIELDS = frozenset(
    {"access_token", "refresh_token", "id_token", "client_assertion", "client_secret", "code", "code_verifier"}
)
# Parameters of an address that let in whoever has it, such as those of a pre-signed file.
_SECRET_ENDINGS = ("token", "secret", "signature", "credential", "password", "key", "sig", "assertion")
# Elements of FHIR resources that say who somebody is, or that hold free text in which anybody may be named.
_WHO = frozenset({"name", "telecom", "address", "photo", "contact", "communication"})
_WORDS = frozenset(
    {"div", "note", "description", "comment", "userComment", "patientInstruction", "authorString", "data"}
)
_PEOPLE = frozenset({"Patient", "Practitioner", "RelatedPerson", "Person"})
_PERSONAL = frozenset({"valueString", "valueAddress", "valueHumanName", "valueContactPoint", "valueIdentifier"})
# Elements that refer to somebody: by a display or a number where they have no reference.
_REFERRING = listed(
    "subject patient performer requester recorder asserter author informationSource source actor who individual "
    "member practitioner generalPractitioner onBehalfOf partner witness party sender receiver owner"
)
_SAID = frozenset({"diagnostics", "text", "display"})  # an OperationOutcome's own words
# What resources and codes are known by, which a person's name is never looked for in.
_KEYS = frozenset({"id", "reference", "fullUrl", "url", "system", "code", "resourceType", "unit", "status", "version"})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: the type of the resource around it, and the element that holds it."""

    kind: str = ""
    within: str = ""


def headers(found: Mapping[str, str]) -> dict[str, str]:
    """Return headers with all but the well-known ones masked, whatever the setting."""
    return {name: url(value) if _is_plain(name.lower()) else MASKED for name, value in found.items()}


def _is_plain(header: str) -> bool:
    return header in _HEADERS or header.startswith("access-control-")


def url(text: str) -> str:
    """Return an address with the secrets among its parameters masked, whatever the setting; other text as it is."""
    head, question, query = text.partition("?")
    if not question or "://" not in head or " " in text:
        return text
    pairs = [pair.partition("=") for pair in query.split("&")]
    shown = [name + sign + (MASKED if sign and _is_secret(name) else value) for name, sign, value in pairs]
    return f"{head}?{'&'.join(shown)}"


def _is_secret(parameter: str) -> bool:
    return parameter.lower().endswith(_SECRET_ENDINGS)


def body(raw: bytes, *, keep_people: bool, people: frozenset[str] = frozenset()) -> str:
    """Return a body as text: secrets masked always, people where ``keep_people`` is False.

    ``people``: names and numbers of people in other bodies of the run (``named``), to be masked in any text here.
    """
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return _other(raw, keep_people, people)
    return msgspec.json.encode(_masked(value, _Place(), keep_people, _pattern(people))).decode()


def named(raw: bytes) -> frozenset[str]:
    """Return the names and numbers of people in a body of JSON; none of them is shorter than three letters."""
    try:
        return frozenset(_named(msgspec.json.decode(raw), ""))
    except msgspec.DecodeError:
        lines = raw.splitlines()
        return (
            frozenset[str]().union(*map(named, lines)) if len(lines) > 1 and raw.lstrip()[:1] == b"{" else frozenset()
        )


def _named(value: Any, kind: str) -> Iterator[str]:
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _named(one, kind)
    elif isinstance(value, dict):
        held = cast("dict[str, Any]", value)
        kind = str(held.get("resourceType", kind))
        for name, inner in held.items():
            who = kind in _PEOPLE and name in ("name", "telecom", "address", "identifier")
            yield from _texts(inner) if who else _named(inner, kind)


def _texts(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _texts(one, name)
    elif isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            yield from () if key in ("type", "period", "extension") else _texts(inner, key)
    elif isinstance(value, str) and name in ("family", "given", "text", "value", "line", "city", "postalCode"):
        yield from (word for word in (value, *value.split()) if len(word) > 2 and not word.islower())


def _pattern(people: frozenset[str]) -> re.Pattern[str] | None:
    longest_first = sorted(people, key=lambda one: (-len(one), one))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if people else None


def _other(raw: bytes, keep_people: bool, people: frozenset[str]) -> str:
    """Return what is no JSON value: lines of JSON, a form, or text; broken FHIR is not shown, for it has names too."""
    text = raw.decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines):  # NDJSON
        return "\n".join(body(line.encode(), keep_people=keep_people, people=people) for line in lines)
    if re.fullmatch(r"[\w.\-]+=[^\n]*", text.strip()):
        pairs = parse_qsl(text, keep_blank_values=True)
        return urlencode([(name, MASKED if name in _SECRET_FIELDS else value) for name, value in pairs])
    if keep_people:
        return text
    fhir = "resourceType" in text or "http://hl7.org/fhir" in text
    return f"[{len(raw)} bytes of FHIR that are no JSON]" if fhir else quoted(text)


def _masked(value: Any, at: _Place, keep_people: bool, people: re.Pattern[str] | None) -> Any:
    if isinstance(value, list):
        return [_masked(one, at, keep_people, people) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        held = cast("dict[str, Any]", value)
        here = _Place(str(held.get("resourceType", at.kind)), at.within)
        return {name: _element(name, one, held, here, keep_people, people) for name, one in held.items()}
    if not isinstance(value, str):
        return value
    shown = url(value)
    return people.sub(MASKED, shown) if people and not keep_people and at.within not in _KEYS else shown


def _element(
    name: str, value: Any, holder: Mapping[str, Any], at: _Place, keep_people: bool, people: re.Pattern[str] | None
) -> Any:
    # In a resource, or beside a system, a code is a code and no secret of OAuth's.
    plain_code = name == "code" and (at.kind or "system" in holder)
    if name in _SECRET_FIELDS and isinstance(value, str) and not plain_code:
        return MASKED
    if not keep_people and _is_personal(name, holder, at):
        return _blank(value)
    if not keep_people and isinstance(value, str) and _is_said(name, at):
        return quoted(value)
    return _masked(value, _Place(at.kind, name), keep_people, people)


def _is_personal(name: str, holder: Mapping[str, Any], at: _Place) -> bool:
    if at.kind in _PEOPLE and (name in _WHO or name in _PERSONAL):
        return True
    if name == "value" and at.within == "identifier":
        return True
    return name in _WORDS or (name == "display" and ("reference" in holder or at.within in _REFERRING))


def _is_said(name: str, at: _Place) -> bool:
    return name == "error_description" or (at.kind == "OperationOutcome" and name in _SAID)


def _blank(value: Any) -> Any:
    """Return the same shape with every text masked, so that what was there can still be seen to be there."""
    if isinstance(value, list):
        return [_blank(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _blank(one) for name, one in cast("dict[str, Any]", value).items()}
    return MASKED if isinstance(value, str) else value
