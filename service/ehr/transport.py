"""One EHR over HTTP: bounded in time and bytes, no redirects, no proxies, nothing but its own addresses."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from service.ehr import addresses, trust
from service.errors import EhrFailed

BYTE_CAP = 10_000_000
TIMEOUT = httpx.Timeout(2.0)
# httpx times each chunk; a peer that drips bytes is stopped by the time of the whole exchange.
EXCHANGE_S = 5.0
FHIR_JSON = "application/fhir+json"
RETRY_CAP_S = 300
AT_ONCE = 20  # requests to one EHR
# What an EHR answers to somebody who may not: without a good token, and with one that does not reach as far.
DENYING = (401, 403)


class EhrRefused(EhrFailed):
    """The EHR answered, but not with success; ``http_status`` and ``retry_after_s`` are its own.

    ``scope`` is what the request was sent with, where our own client sent it.
    """

    def __init__(
        self, code: str, message: str, http_status: int, retry_after_s: int | None = None, scope: str | None = None
    ) -> None:
        super().__init__(code, message)
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.scope = scope

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later (RFC 9110 §15.6, RFC 6585 §4)."""
        return _is_busy(self.http_status) or _has_failed(self.http_status)


class EhrDenied(EhrRefused):
    """The EHR does not allow it: somebody has to grant something, and trying again does not help."""

    issue = "forbidden"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer: status, headers (lower-case names) and body bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Requests to one EHR.

    ``ca_file``: certificates of the hospital's own authority. Errors: EhrFailed U-EHR-UNREACHABLE, U-EHR-ADDRESS,
    U-EHR-SIZE; EhrRefused U-EHR-REDIRECT; ConfigError U-CONFIG-FILE at once.
    """

    def __init__(self, ca_file: Path | None = None) -> None:
        self._http = httpx.AsyncClient(
            verify=trust.context(ca_file),
            trust_env=False,
            follow_redirects=False,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE),
        )
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[Answer]] = set()

    async def close(self) -> None:
        """Close every connection."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._http.aclose()

    async def send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None = None
    ) -> Answer:
        """Send one request and return its answer whatever its status, redirects excepted."""
        try:
            async with asyncio.timeout(EXCHANGE_S):
                answer = await self._in_turn(method, url, headers, content)
        except addresses.AddressRefused as error:
            raise EhrFailed(
                "U-EHR-ADDRESS", "The EHR's name leads to an address inside this machine; ask who answers for its DNS."
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise EhrFailed(
                "U-EHR-UNREACHABLE", "The EHR could not be reached in time; try again, or ask its operators."
            ) from error
        if 300 <= answer.status < 400 and answer.status != 304:
            raise EhrRefused(
                "U-EHR-REDIRECT", "The EHR redirects; set ehr.fhir_base to its final address.", answer.status
            )
        return answer

    async def _in_turn(self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None) -> Answer:
        """Wait for a turn and make the exchange, which ends by itself whatever becomes of who waits for it.

        The pool of the HTTP library loses a connection for good where a request is cancelled while it waits for one or
        has just got it, and a pool that has lost them all answers nobody: so waiting is done here, and what has begun
        is never cancelled but at the end.
        """
        await self._turn.acquire()
        task = asyncio.create_task(self._exchange(method, url, headers, content))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._turn.release()
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also where nobody waits any more

    async def _exchange(self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None) -> Answer:
        checked = {"trace": addresses.guard(url.host)}
        async with (
            asyncio.timeout(EXCHANGE_S),
            self._http.stream(method, url, headers=headers, content=content, extensions=checked) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > BYTE_CAP:
                    raise EhrFailed("U-EHR-SIZE", f"The EHR's answer is larger than {BYTE_CAP} bytes.")
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, named, bytes(body))


def successful(answer: Answer, doing: str) -> Answer:
    """Return an answer of 2xx; EhrRefused with the status otherwise. ``doing`` names the interaction only."""
    if 200 <= answer.status < 300:
        return answer
    said, pause = f"The EHR answered {answer.status} to {doing}", answer.headers.get("retry-after")
    wait = retry_after(pause, datetime.now(UTC))
    if answer.status in DENYING:
        told = f"{said}: it is not allowed; the EHR's administrator grants the scope for it to our client."
        raise EhrDenied("U-EHR-SCOPE", told, answer.status, wait)
    if _has_failed(answer.status):
        raise EhrRefused("U-EHR-UNREACHABLE", f"{said}; try again, or ask its operators.", answer.status, wait)
    if _is_busy(answer.status):
        raise EhrRefused("U-EHR-BUSY", f"{said}: it puts requests off; try again later.", answer.status, wait)
    raise EhrRefused(
        "U-EHR-REFUSED", f"{said}: it does not take it; ask its operators, its log says why.", answer.status, wait
    )


def _has_failed(status: int) -> bool:
    # 501 says that it is not built, which does not pass (RFC 9110 §15.6.2).
    return status >= 500 and status != 501


def _is_busy(status: int) -> bool:
    return status in (408, 425, 429)


def retry_after(header: str | None, now: datetime) -> int | None:
    """Return the seconds of a Retry-After header (number or HTTP date, RFC 9110 §10.2.3), at most 300."""
    if header is None:
        return None
    if re.fullmatch(r"\d{1,9}", header.strip()):
        return min(int(header), RETRY_CAP_S)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    seconds = (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds()
    return min(max(int(seconds), 0), RETRY_CAP_S)
