"""One EHR over HTTP: bounded in time and bytes, no redirects, no proxies, nothing but its own addresses."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from service.ehr import addresses
from service.errors import EhrFailed

BYTE_CAP = 10_000_000
TIMEOUT = httpx.Timeout(2.0)
# httpx times each chunk; a peer that drips bytes is stopped by the time of the whole exchange.
EXCHANGE_S = 5.0
FHIR_JSON = "application/fhir+json"
RETRY_CAP_S = 300


class EhrRefused(EhrFailed):
    """The EHR answered, but not with success; ``http_status`` and ``retry_after_s`` are its own."""

    def __init__(self, code: str, message: str, http_status: int, retry_after_s: int | None = None) -> None:
        super().__init__(code, message)
        self.http_status = http_status
        self.retry_after_s = retry_after_s

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later (RFC 9110 §15.6, RFC 6585 §4)."""
        return self.http_status >= 500 or self.http_status in (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer: status, headers (lower-case names) and body bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Requests to one EHR.

    Errors: EhrFailed U-EHR-UNREACHABLE, U-EHR-ADDRESS, U-EHR-SIZE; EhrRefused U-EHR-REDIRECT.
    """

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10),
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None = None
    ) -> Answer:
        """Send one request and return its answer whatever its status, redirects excepted."""
        try:
            async with asyncio.timeout(EXCHANGE_S):
                answer = await self._exchange(method, url, headers, content)
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

    async def _exchange(self, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None) -> Answer:
        checked = {"trace": addresses.guard(url.host)}
        async with self._http.stream(method, url, headers=headers, content=content, extensions=checked) as response:
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
    code = "U-EHR-UNREACHABLE" if answer.status >= 500 else "U-EHR-REFUSED"
    raise EhrRefused(
        code,
        f"The EHR answered {answer.status} to {doing}; check the scopes and permissions it gave.",
        answer.status,
        retry_after(answer.headers.get("retry-after"), datetime.now(UTC)),
    )


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
