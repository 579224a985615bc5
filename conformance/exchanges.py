"""One request and its answer, and where answers come from: a server, or a recording of one."""

import hashlib
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
import msgspec

from conformance import masking
from conformance.errors import CheckError

Headers = Mapping[str, str]
NOT_RECORDED = "not in the recording"
_NO_CONNECTION, _NO_TRUST = "no connection", "the certificate is of no authority that the service trusts"
# What the machine says when it cannot connect, and what that means.
_CAUSES: Mapping[str, str] = {
    "name or service": "this machine does not know the name",
    "nodename nor": "this machine does not know the name",
    "temporary failure in name": "this machine does not know the name",
    "no address": "this machine does not know the name",
    "refused": "nothing listens there",
    "all connection attempts failed": "nothing listens there",
    "unreachable": "no way leads there",
    "ssl": "TLS cannot be agreed on",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is sent. ``url`` is absolute."""

    method: str
    url: str
    headers: Headers = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def key(self) -> tuple[str, str, str]:
        """What a recording knows it by: method, address, and the digest of its body as evidence shows it."""
        # Masked, so that what was built from a masked answer, or signed anew, is known again.
        shown = masking.body(self.body, keep_people=False) if self.body else ""
        return self.method, masking.url(self.url), hashlib.sha256(shown.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its answer. ``number`` counts from 1 in a run; ``error`` stands where no answer came.

    ``took_ms`` is the time to the last byte; ``started`` an instant in UTC. ``seen``: what a listener saw of a request
    that came in and evidence does not show, such as the claims of its token.
    """

    number: int
    asked: Asked
    started: str
    took_ms: float
    status: int = 0
    headers: Headers = field(default_factory=dict[str, str])
    body: bytes = b""
    error: str = ""
    seen: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def unreached(self) -> bool:
        """Whether no server was met at all: another request would end in the same way."""
        return self.error.startswith((_NO_CONNECTION, _NO_TRUST))

    def header(self, name: str) -> str:
        """Return a header of the answer, empty where it has none."""
        return self.headers.get(name.lower(), "")

    def json(self) -> Any:
        """Return the body as JSON, None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return None

    def object(self) -> dict[str, Any]:
        """Return the body where it is a JSON object, an empty one otherwise."""
        found = self.json()
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def list(self, name: str) -> "Sequence[dict[str, Any]] | None":
        """Return the objects of a list in the body's object, None where there is no such list."""
        found = self.object().get(name)
        if not isinstance(found, list):
            return None
        return [cast("dict[str, Any]", one) for one in cast("Sequence[Any]", found) if isinstance(one, dict)]


class Sender(Protocol):
    """Where answers come from."""

    async def send(self, asked: Asked, number: int) -> Exchange:
        """Return the exchange; a failure of the network is an exchange with ``error``, never an exception."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...


def _trusted(ca: Path | None) -> ssl.SSLContext:
    """Return how TLS is checked: by the public authorities, and those of a PEM file; CheckError U-CHECK-CA."""
    found = httpx.create_ssl_context(trust_env=False)
    if ca is not None:
        try:
            found.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise CheckError("U-CHECK-CA", f"{ca}: not readable as certificates in PEM") from error
    return found


class Live:
    """Sends over the network: one connection, no redirect followed, no proxy of the environment, a time limit."""

    def __init__(self, *, timeout_s: float = 10.0, ca: Path | None = None) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        self._client = httpx.AsyncClient(
            timeout=timeout_s, verify=_trusted(ca), limits=limits, follow_redirects=False, trust_env=False
        )

    async def send(self, asked: Asked, number: int) -> Exchange:
        """Send one request and read its answer whole."""
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        began = time.perf_counter()
        try:
            answer = await self._client.request(
                asked.method, asked.url, headers=dict(asked.headers), content=asked.body or None
            )
        except httpx.HTTPError as error:
            return Exchange(number, asked, started, _since(began), error=_plain(error))
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Exchange(number, asked, started, _since(began), answer.status_code, headers, answer.content)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


class Replayed:
    """Answers from recorded exchanges, in the order in which the same request was made; no network."""

    def __init__(self, recorded: Sequence[Exchange]) -> None:
        self._left: dict[tuple[str, str, str], list[Exchange]] = {}
        for one in recorded:
            self._left.setdefault(one.asked.key, []).append(one)

    async def send(self, asked: Asked, number: int) -> Exchange:
        """Return the recorded answer, an exchange with an error where this request was never made."""
        found = self._left.get(asked.key)
        if not found:
            return Exchange(number, asked, "", 0.0, error=NOT_RECORDED)
        one = found.pop(0) if len(found) > 1 else found[0]
        return Exchange(number, asked, one.started, one.took_ms, one.status, one.headers, one.body, one.error)

    async def close(self) -> None:
        """Nothing is held."""


def _plain(error: httpx.HTTPError) -> str:
    """Return what went wrong without an address: the finding names the request."""
    said = str(error).lower()
    if "certificate" in said:
        return _NO_TRUST
    cause = next((means for words, means in _CAUSES.items() if words in said), "")
    words = {
        httpx.ConnectTimeout: f"{_NO_CONNECTION} in time",
        httpx.ReadTimeout: "no answer in time",
        httpx.ConnectError: f"{_NO_CONNECTION} ({cause})" if cause else _NO_CONNECTION,
        httpx.RemoteProtocolError: "the connection ended in the middle",
    }
    return next((said for kind, said in words.items() if isinstance(error, kind)), type(error).__name__)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
