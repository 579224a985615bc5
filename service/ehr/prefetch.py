"""Completing a prefetch: what the EHR did not send is read from its configured base, in parallel, in time."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from fhir_adapters.dialect.profile import Profile
from service.cds.discovery import Template
from service.ehr import follow_up, searches
from service.ehr.client import EhrClient
from service.ehr.searches import Request
from service.ehr.transport import EhrRefused
from service.errors import EhrFailed, Precondition, ServiceError

BUDGET_S = 2.0


# What a failed read leaves behind: the reader takes it as an error of that key, not as nothing on record.
UNREADABLE = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}'
_NO_SUCH_TYPE = 404


class _Typed(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815


class _Page(msgspec.Struct):
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
    U-CDS-PREFETCH, which names it, its template and the search that would fill it. Medications that the
    values refer to and do not hold, sent ones too, are read in the time that is left.
    """
    started = asyncio.get_running_loop().time()
    values = {template.key: given[template.key] for template in templates if _usable(template, given)}
    missing = [template for template in templates if template.key not in values]
    failed = {template.key for template in missing if template.key in given and client is None}
    if client is not None:
        requests = {template.key: searches.request(template, patient_id, profile) for template in missing}
        fetched = await _fetch({key: one for key, one in requests.items() if one}, client, token)
        failed |= {key for key, value in fetched.items() if value == UNREADABLE}
        values |= {key: value for key, value in fetched.items() if value != UNREADABLE}
    lacking = [t for t in missing if t.key not in values and (t.required or (t.decisive and t.key in failed))]
    if lacking:
        raise _precondition(lacking)
    if client is not None:
        left = started + BUDGET_S - asyncio.get_running_loop().time()
        values |= await follow_up.with_medications(values, client, token, profile.follow_up, left)
    return {**values, **dict.fromkeys(failed, UNREADABLE)}


def _usable(template: Template, given: Mapping[str, bytes]) -> bool:
    """Null means "no data" for a list, nothing for the Patient; an OperationOutcome means an error."""
    value = given.get(template.key)
    if value is None or (value == b"null" and "?" not in template.template):
        return False
    return b"OperationOutcome" not in value or _resource_type(value) != "OperationOutcome"


def _resource_type(value: bytes) -> str | None:
    try:
        return msgspec.json.decode(value, type=_Typed).resourceType
    except msgspec.ValidationError:
        return None


async def _fetch(requests: Mapping[str, Request], client: EhrClient, token: str | None) -> dict[str, bytes]:
    tasks = {key: asyncio.create_task(_one(request, client, token)) for key, request in requests.items()}
    if not tasks:
        return {}
    try:
        await asyncio.wait(tasks.values(), timeout=BUDGET_S)
    finally:
        for task in tasks.values():
            task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return {key: value for key, task in tasks.items() if (value := _value(task)) is not None}


def _value(task: asyncio.Task[bytes]) -> bytes | None:
    """Return what was read, None where the EHR has no such type, ``UNREADABLE`` where reading failed."""
    if task.cancelled():
        return UNREADABLE
    failed = task.exception()
    if failed is None:
        return task.result()
    if isinstance(failed, EhrRefused) and failed.http_status == _NO_SUCH_TYPE:
        return None
    if isinstance(failed, ServiceError):
        return UNREADABLE
    raise failed


async def _one(request: Request, client: EhrClient, token: str | None) -> bytes:
    if "?" not in request.query:
        return await client.read(request.query, token)
    pages = await client.search(request.query, token, post=request.post)
    return pages[0] if len(pages) == 1 else _merged(pages)


def _merged(pages: Sequence[bytes]) -> bytes:
    try:
        entries = [entry for page in pages for entry in msgspec.json.decode(page, type=_Page).entry]
    except msgspec.DecodeError as error:
        raise EhrFailed("U-EHR-ANSWER", "a page of the EHR's answer is no Bundle") from error
    return msgspec.json.encode({"resourceType": "Bundle", "type": "searchset", "entry": entries})


def _precondition(lacking: Sequence[Template]) -> Precondition:
    named = "; ".join(_name(template) for template in lacking)
    return Precondition(
        "U-CDS-PREFETCH",
        f"required, and neither sent nor readable: {named}; send them, or fhirServer and fhirAuthorization",
    )


def _name(template: Template) -> str:
    search = template.query("[context.patientId]")
    return f"prefetch.{template.key} (template {template.template}, filled by GET [fhirServer]/{search})"
