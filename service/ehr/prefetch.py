"""Completing a prefetch: what the EHR did not send is read from its configured base, in parallel, in time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.reading import strict_json
from fhir_adapters.survey import searches
from fhir_adapters.survey.searches import Request
from fhir_adapters.survey.wanted import Template
from service import telemetry
from service.ehr import follow_up
from service.ehr.client import EhrClient
from service.ehr.transport import EhrRefused
from service.errors import EhrFailed, Precondition, ServiceError

BUDGET_S = 2.0
PAUSE_S = 0.1  # before an EHR that put a read off, without saying for how long, is asked once more


# What a failed read leaves behind: the reader takes it as an error of that key, not as nothing on record.
UNREADABLE = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}'
_NO_SUCH_TYPE = 404


Read = Callable[[], Coroutine[Any, Any, bytes | None]]


class _Typed(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815


class _Link(msgspec.Struct):
    relation: str | None = None


class _Page(msgspec.Struct):
    link: list[_Link] = []
    total: int | None = None
    entry: list[msgspec.Raw] = []


async def complete(
    given: Mapping[str, bytes],
    templates: Sequence[Template],
    patient_id: str,
    client: EhrClient | None,
    token: str | None,
    profile: Profile,
) -> Mapping[str, bytes]:
    """Return the values by key, the missing ones fetched within two seconds in all, as ``profile`` asks for them.

    ``client`` is None when the call names no fhirServer: then nothing is fetched. The caller has compared
    fhirServer with the client's base, the only place where ``token`` is sent. An optional key that the EHR
    does not have is left out; one that could not be read stands as an error, so that its list does not look
    whole. A required key that cannot be had, and a decisive one that could not be read, raise Precondition
    U-CDS-PREFETCH, which names it, its template and the search that would fill it. A list that was sent with a
    next page is read to its end, else it stays the part that it is. Medications that the values refer to and do
    not hold, sent ones too, are read in the time that is left.
    """
    started = asyncio.get_running_loop().time()
    values = {template.key: given[template.key] for template in templates if _usable(template, given)}
    missing = [template for template in templates if template.key not in values]
    failed = {template.key for template in missing if template.key in given and client is None}
    if client is not None:
        first = sorted(missing, key=lambda template: not (template.required or template.decisive))
        requests = {template.key: searches.request(template, patient_id, profile) for template in first}
        decisive = {template.key for template in missing if template.decisive}
        reads: dict[str, Read] = {
            key: partial(_sure if key in decisive else _one, one, client, token) for key, one in requests.items() if one
        }
        reads |= {key: partial(_rest, page, client, token) for key, page in values.items() if b'"next"' in page}
        fetched = await _fetch(reads, client.ehr.id)
        failed |= {key for key, value in fetched.items() if value == UNREADABLE} - values.keys()
        values |= {key: value for key, value in fetched.items() if value != UNREADABLE}
    lacking = [t for t in missing if t.key not in values and (t.required or (t.decisive and t.key in failed))]
    if lacking:
        raise _precondition(lacking)
    if client is not None:
        left = started + BUDGET_S - asyncio.get_running_loop().time()
        values |= await follow_up.with_medications(values, client, token, profile.follow_up, left)
    return {**values, **dict.fromkeys(failed, UNREADABLE)}


def in_part(value: bytes) -> bool:
    """Say whether a value is a list of which there is more: a next page, or a total above what it holds."""
    try:
        page = msgspec.json.decode(value, type=_Page)
    except msgspec.ValidationError:
        return False
    return any(link.relation == "next" for link in page.link) or (page.total or 0) > len(page.entry)


def _usable(template: Template, given: Mapping[str, bytes]) -> bool:
    """Null means "no data" for a list, nothing for the Patient; an OperationOutcome means an error."""
    value = given.get(template.key)
    if value is None or (value == b"null" and "?" not in template.template):
        return False
    return not _is_outcome(value)


def _is_outcome(value: bytes) -> bool:
    return b"OperationOutcome" in value and _resource_type(value) == "OperationOutcome"


def _resource_type(value: bytes) -> str | None:
    try:
        return msgspec.json.decode(value, type=_Typed).resourceType
    except msgspec.ValidationError:
        return None


async def _fetch(reads: Mapping[str, Read], ehr: str) -> dict[str, bytes]:
    tasks = {key: asyncio.create_task(_once_more(read)) for key, read in reads.items()}
    if not tasks:
        return {}
    try:
        await asyncio.wait(tasks.values(), timeout=BUDGET_S)
    finally:
        for task in tasks.values():
            task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return {key: value for key, task in tasks.items() if (value := _value(task, key, ehr)) is not None}


def _value(task: asyncio.Task[bytes | None], key: str, ehr: str) -> bytes | None:
    """Return what was read, None where the EHR has no such type, ``UNREADABLE`` where reading failed."""
    failed = None if task.cancelled() else task.exception()
    if failed is None and not task.cancelled():
        return task.result()
    if isinstance(failed, EhrRefused) and failed.http_status == _NO_SUCH_TYPE:
        return None
    if failed is not None and not isinstance(failed, ServiceError):
        raise failed
    reason = failed.code if isinstance(failed, ServiceError) else "time is up"
    telemetry.log().warning("EHR not read", ehr=ehr, key=key, reason=reason)
    return UNREADABLE


async def _once_more(read: Read) -> bytes | None:
    """Read, and once more what the EHR puts off for a short while: 429 and 5xx with or without Retry-After."""
    try:
        return await read()
    except EhrRefused as error:
        wait = PAUSE_S if error.retry_after_s is None else error.retry_after_s
        if not error.passing or wait > BUDGET_S / 2:
            raise
    await asyncio.sleep(wait)
    return await read()


async def _sure(request: Request, client: EhrClient, token: str | None) -> bytes | None:
    """Read what decides; None only where the EHR refuses it and declares no such type, since a 404 alone says less."""
    try:
        return await _one(request, client, token)
    except EhrRefused as error:
        if error.passing:
            raise
        if await client.lacks(request.query.partition("?")[0], error):
            return None
        raise EhrFailed(error.code, error.message) from error


async def _one(request: Request, client: EhrClient, token: str | None) -> bytes:
    if "?" not in request.query:
        return _resource(await client.read(request.query, token))
    return _merged(await client.search(request.query, token, post=request.post))


def _resource(value: bytes) -> bytes:
    _check(value)
    if _resource_type(value) in (None, "OperationOutcome"):  # some servers say with 200 that they could not
        raise EhrFailed("U-EHR-ANSWER", "the EHR answered a read with something else")
    return value


def _check(value: bytes) -> None:
    """What the EHR answers passes the same strict JSON as what is sent."""
    try:
        strict_json.check(value)
    except InputError as error:
        raise EhrFailed("U-EHR-ANSWER", f"the EHR's answer is refused: {error.code}") from error


async def _rest(page: bytes, client: EhrClient, token: str | None) -> bytes:
    return _merged(await client.continued(page, token))


def _merged(pages: Sequence[bytes]) -> bytes:
    for page in pages:
        _check(page)
    if len(pages) == 1:
        return pages[0]
    try:
        entries = [entry for page in pages for entry in msgspec.json.decode(page, type=_Page).entry]
    except msgspec.DecodeError as error:
        raise EhrFailed("U-EHR-ANSWER", "a page of the EHR's answer is no Bundle") from error
    return msgspec.json.encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})


def _precondition(lacking: Sequence[Template]) -> Precondition:
    named = "; ".join(_name(template) for template in lacking)
    return Precondition(
        "U-CDS-PREFETCH",
        f"required, and neither sent nor readable: {named}; send them, or fhirServer and fhirAuthorization "
        "whose scopes allow these searches",
    )


def _name(template: Template) -> str:
    search = template.query("[context.patientId]")
    return f"prefetch.{template.key} (template {template.template}, filled by GET [fhirServer]/{search})"
