"""Completing a prefetch: what the EHR did not send is read from its configured base, in parallel, in time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import InputError
from fhir_adapters.reading import strict_json
from fhir_adapters.survey import searches
from fhir_adapters.survey.searches import Request
from fhir_adapters.survey.wanted import Template
from service import telemetry
from service.ehr import follow_up, pages
from service.ehr import line as queue
from service.ehr.client import EhrClient
from service.ehr.line import Line
from service.ehr.transport import EhrRefused
from service.errors import EhrFailed, Precondition, ServiceError

BUDGET_S = 2.0
PAUSE_S = 0.1  # before an EHR that put a read off, without saying for how long, is asked once more


# What a failed read leaves behind: the reader takes it as an error of that key, not as nothing on record.
UNREADABLE = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}'
_NO_SUCH_TYPE = 404


Read = Callable[[], Coroutine[Any, Any, bytes | None]]


async def complete(
    given: Mapping[str, bytes],
    templates: Sequence[Template],
    patient_id: str,
    client: EhrClient | None,
    token: str | None,
    profile: Profile,
    line: Line | None = None,
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
    ends, hurried = asyncio.get_running_loop().time() + BUDGET_S, False
    values = {template.key: given[template.key] for template in templates if _usable(template, given)}
    missing = [template for template in templates if template.key not in values]
    failed = {template.key for template in missing if template.key in given and client is None}
    if client is not None:
        reads = _reads(missing, patient_id, client, token, profile)
        reads |= {key: partial(_rest, page, client, token) for key, page in values.items() if b'"next"' in page}
        waited = await line.enter(len(reads), BUDGET_S / 2) if line and reads else False
        fetched, late = await _fetch(reads, client.ehr.id, ends, line)
        hurried = waited and late
        failed |= {key for key, value in fetched.items() if value == UNREADABLE} - values.keys()
        values |= {key: value for key, value in fetched.items() if value != UNREADABLE}
    lacking = [t for t in missing if t.key not in values and (t.required or (t.decisive and t.key in failed))]
    if lacking:
        raise queue.busy() if hurried else _precondition(lacking)
    if client is not None:
        left = ends - asyncio.get_running_loop().time()
        values |= await follow_up.with_medications(values, client, token, profile.follow_up, left)
    return {**values, **dict.fromkeys(failed, UNREADABLE)}


async def of_template(
    template: Template, patient_id: str, client: EhrClient, token: str | None, profile: Profile
) -> bytes | None:
    """Return one value, read in its own time and not a call's; None where the profile says that it is not there.

    Errors as of ``EhrClient``, which say why it could not be had.
    """
    asked = searches.request(template, patient_id, profile)
    return None if asked is None else await _one(asked, client, token)


def _reads(
    missing: Sequence[Template], patient_id: str, client: EhrClient, token: str | None, profile: Profile
) -> dict[str, Read]:
    """Return what has to be read by key, the needed keys first; what the profile says is not there is left out."""
    first = sorted(missing, key=lambda template: not (template.required or template.decisive))
    asked = {template: searches.request(template, patient_id, profile) for template in first}
    return {
        template.key: partial(_sure if template.decisive else _one, request, client, token)
        for template, request in asked.items()
        if request
    }


def _usable(template: Template, given: Mapping[str, bytes]) -> bool:
    """Null means "no data" for a list, nothing for the Patient; an OperationOutcome means an error.

    Parameters are what an operation answers with, never a read or a search.
    """
    value = given.get(template.key)
    if value is None or (value == b"null" and "?" not in template.template):
        return False
    return pages.resource_type(value) not in ("OperationOutcome", "Parameters")


async def _fetch(reads: Mapping[str, Read], ehr: str, ends: float, line: Line | None) -> tuple[dict[str, bytes], bool]:
    """Return what was read by key, and whether anything was given up since its time was over."""
    tasks = {key: asyncio.create_task(_once_more(read)) for key, read in reads.items()}
    if not tasks:
        return {}, False
    if line is not None:
        for task in tasks.values():
            task.add_done_callback(line.leave)
    try:
        await asyncio.wait(tasks.values(), timeout=max(0.0, ends - asyncio.get_running_loop().time()))
    finally:
        for task in tasks.values():
            task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    found = {key: value for key, task in tasks.items() if (value := _value(task, key, ehr)) is not None}
    return found, any(task.cancelled() for task in tasks.values())


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
    return _whole(await client.search(request.query, token, post=request.post))


def _resource(value: bytes) -> bytes:
    _check(value)
    if pages.resource_type(value) in (None, "OperationOutcome"):  # some servers say with 200 that they could not
        raise EhrFailed("U-EHR-ANSWER", "the EHR answered a read with something else")
    return value


def _check(value: bytes) -> None:
    """What the EHR answers passes the same strict JSON as what is sent."""
    try:
        strict_json.check(value)
    except InputError as error:
        raise EhrFailed("U-EHR-ANSWER", f"the EHR's answer is refused: {error.code}") from error


async def _rest(page: bytes, client: EhrClient, token: str | None) -> bytes:
    return _whole(await client.continued(page, token))


def _whole(found: Sequence[bytes]) -> bytes:
    for page in found:
        _check(page)
    return pages.merged(found)


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
