"""The client of one EHR: reads and searches with a user's token, writes with the service's own.

Every address is the tenant's configured ``fhir_base`` or one that its own discovery document names; nothing
that arrives in a request or a resource is ever fetched as it stands.
"""

import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode

import httpx
import msgspec
from joserfc.jwk import KeySet

from service.drafts.signature.signing import Signer
from service.ehr import capabilities, denials, prescriber, smart_configuration
from service.ehr.capabilities import Capabilities
from service.ehr.line import Line
from service.ehr.oauth import TokenEndpoint
from service.ehr.prescriber import Prescriber
from service.ehr.smart_configuration import SmartConfiguration
from service.ehr.transport import AT_ONCE, BYTE_CAP, FHIR_JSON, Answer, EhrRefused, Transport, successful
from service.ehr.user_keys import UserKeys
from service.errors import BadRequest, EhrFailed
from service.settings import Ehr, Settings

T = TypeVar("T")
MAX_PAGES = 20
CONFIGURATION_S = 600.0
FORM = "application/x-www-form-urlencoded"
# What an EHR answers to a search of a type that it does not have (http://hl7.org/fhir/R4/http.html#search names 404).
_NOT_SERVED = (400, 404, 405, 410, 501)
_REFERENCE = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
_SEARCH = re.compile(r"[A-Z][A-Za-z]{1,63}(\?[!-~]*)?")


class _Link(msgspec.Struct, frozen=True):
    relation: str | None = None
    url: str | None = None


class _Page(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    link: list[_Link] = []


class EhrClient:
    """One tenant's EHR. Errors: EhrFailed U-EHR-* for the EHR, BadRequest U-FHIR-REFERENCE for the caller."""

    def __init__(self, ehr: Ehr, signer: Signer, settings: Settings, refuses: Collection[str] = ()) -> None:
        self.ehr = ehr
        # The modes of write-back that the tenant's profile says the EHR does not take.
        self.refuses = refuses
        self._development = settings.server.development
        self._base = smart_configuration.fhir_base(ehr.fhir_base, development=self._development)
        self._transport = Transport(ehr.ca_file)
        self.line = Line(AT_ONCE)  # of hook calls; who signs or writes does not stand in it
        self._keys = UserKeys(ehr, settings, self._fetch_keys)
        self._configuration: tuple[float, SmartConfiguration] | None = None
        self._capabilities: tuple[float, Capabilities] | None = None
        # What the tenant's write_back needs and the EHR did not declare when it was last asked.
        self.unfit: tuple[str, ...] = ()
        self._tokens = TokenEndpoint(
            ehr.smart_client_id,
            signer,
            self._transport,
            self.smart_configuration,
            development=self._development,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    def relative(self, reference: str) -> str:
        """Return ``Type/id`` of a reference that is relative or lies below this EHR's FHIR base."""
        prefix = f"{self._base}/"
        short = reference.removeprefix(prefix)
        if not _REFERENCE.fullmatch(short):
            raise BadRequest("U-FHIR-REFERENCE", "The reference is not of the form Type/id at this EHR.")
        return short

    async def read(self, reference: str, token: str | None = None) -> bytes:
        """Return one resource's bytes; EhrRefused carries the EHR's status (404, 410, 403, …).

        EhrFailed U-EHR-ANSWER for an OperationOutcome in its place: some servers say with 200 that they could not.
        """
        url = httpx.URL(f"{self._base}/{self.relative(reference)}")
        body = successful(await self.send("GET", url, token), "a read").body
        if b"OperationOutcome" in body and _type(body) == "OperationOutcome":
            raise EhrFailed("U-EHR-ANSWER", "The EHR answered a read with an OperationOutcome; ask its operators.")
        return body

    async def search(self, type_and_query: str, token: str | None = None, *, post: bool = False) -> list[bytes]:
        """Return the pages of a search, at most 20 and 10 MB in all; ``post``: its parameters in a form.

        A list that would be cut short is refused (U-EHR-PAGES), since a part must not be read as the whole;
        so is a ``next`` link that leaves the FHIR base (U-EHR-NEXT-LINK).
        """
        if not _SEARCH.fullmatch(type_and_query):
            raise BadRequest("U-FHIR-SEARCH", "The search is not of the form Type?parameter=value.")
        return await self.continued(await self._first_page(type_and_query, token, post=post), token)

    async def continued(self, page: bytes, token: str | None = None) -> list[bytes]:
        """Return a first page, one that came with a hook call perhaps, and all that follow; errors as ``search``."""
        pages = [page]
        while (url := self._next(pages[-1])) is not None:
            if len(pages) == MAX_PAGES or sum(map(len, pages)) > BYTE_CAP:
                raise EhrFailed("U-EHR-PAGES", "The EHR's answer has too many pages; narrow the search.")
            pages.append(successful(await self.send("GET", url, token), "a search").body)
        return pages

    async def _first_page(self, type_and_query: str, token: str | None, *, post: bool) -> bytes:
        """http://hl7.org/fhir/R4/http.html#search: the parameters of a POST are a form."""
        kind, _, parameters = type_and_query.partition("?")
        if post:
            url, headers = httpx.URL(f"{self._base}/{kind}/_search"), {"Content-Type": FORM}
            sent = await self.send("POST", url, token, _form(parameters), headers)
        else:
            sent = await self.send("GET", httpx.URL(f"{self._base}/{type_and_query}"), token)
        return successful(sent, "a search").body

    def _next(self, page: bytes) -> httpx.URL | None:
        try:
            bundle = msgspec.json.decode(page, type=_Page)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EhrFailed("U-EHR-ANSWER", "The EHR's search answer is not a Bundle.") from error
        if bundle.resourceType != "Bundle":
            raise EhrFailed("U-EHR-ANSWER", "The EHR's search answer is not a Bundle.")
        address = next((link.url for link in bundle.link if link.relation == "next"), None)
        return None if address is None else self._below_base(address)

    def _below_base(self, address: str) -> httpx.URL:
        refusal = EhrFailed("U-EHR-NEXT-LINK", "The EHR's next page lies outside its FHIR base.")
        try:
            url = httpx.URL(f"{self._base}/").join(address)
        except httpx.InvalidURL as error:
            raise refusal from error
        origin = (url.scheme, url.host, url.port) == (self._base.scheme, self._base.host, self._base.port)
        below = url.path == self._base.path or url.path.startswith(f"{self._base.path}/")
        # A proxy may decode dots after us: a path with encoded ones may end elsewhere.
        straight = ".." not in url.path and "\\" not in url.path and not url.userinfo
        if not (origin and below and straight):
            raise refusal
        return url

    async def create(
        self, kind: str, resource: bytes, *, if_none_exist: str | None = None, token: str | None = None
    ) -> Answer:
        """POST a resource, conditionally where ``if_none_exist`` (a query) is given; any status but 3xx."""
        headers = {"If-None-Exist": if_none_exist} if if_none_exist else {}
        return await self.send("POST", httpx.URL(f"{self._base}/{kind}"), token, resource, headers)

    async def create_as(self, reference: str, resource: bytes, token: str | None = None) -> Answer:
        """PUT a resource under an id of ours, only where none is there yet (R4 http.html#upsert); any status but 3xx.

        If-None-Match: * keeps an order that a person has changed meanwhile from being written over.
        """
        url = httpx.URL(f"{self._base}/{self.relative(reference)}")
        return await self.send("PUT", url, token, resource, {"If-None-Match": "*"})

    async def capabilities(self) -> Capabilities:
        """Return what the EHR declares, kept for ten minutes; EhrFailed where it cannot be asked."""
        now = time.monotonic()
        if self._capabilities is None or now - self._capabilities[0] > CONFIGURATION_S:
            answer = await self.send("GET", httpx.URL(f"{self._base}/metadata"), None)
            found = capabilities.parse(successful(answer, "the read of its CapabilityStatement").body)
            self._capabilities = (now, found)
        return self._capabilities[1]

    async def lacks(self, kind: str, error: EhrRefused) -> bool:
        """Say whether a search was refused because the EHR has no such type: by its status and by what it declares.

        A 404 alone may be a wrong route, or a way of not saying what is there; an EHR that cannot be asked what it
        declares does not lack it.
        """
        if error.http_status not in _NOT_SERVED:
            return False
        try:
            declared = (await self.capabilities()).declared
        except EhrFailed:
            return False
        return bool(declared) and kind not in declared

    async def send(
        self,
        method: str,
        url: httpx.URL,
        token: str | None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one FHIR request below the base and return the answer, whatever its status."""
        sent = {"Accept": FHIR_JSON}
        if content is not None:
            sent["Content-Type"] = FHIR_JSON
        sent |= headers or {}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return await self._transport.send(method, url, sent, content)

    async def history(self, reference: str, token: str | None = None) -> list[bytes]:
        """Return the pages of a resource's versions (hl7.org/fhir/R4/http.html#history); errors as ``search``."""
        url = httpx.URL(f"{self._base}/{self.relative(reference)}/_history")
        return await self.continued(successful(await self.send("GET", url, token), "a history").body, token)

    async def practitioner_may_prescribe(self, reference: str, token: str | None) -> Prescriber:
        """Return the PractitionerRole that lets a practitioner prescribe now, read with the user's own token.

        Forbidden U-SIGNER-UNKNOWN, U-SIGNER-INACTIVE, U-SIGNER-ROLE; Unauthenticated U-AUTH when the EHR
        no longer takes the token; EhrFailed when it cannot say, U-EHR-SCOPE where it does not allow it to be asked.
        """
        short = self.relative(reference)
        scope = "user/Practitioner.r"
        try:
            prescriber.check_practitioner(await self.read(short, token), short)
            scope = "user/PractitionerRole.rs"
            pages = await self.search(f"PractitionerRole?practitioner={short}", token)
        except EhrRefused as error:
            raise denials.of_signer(error, self.ehr.smart_client_id, scope) from error
        specialists = frozenset(self.ehr.supervision.specialist_role_codes)
        now = datetime.now(UTC)
        return prescriber.prescribing_role(pages, self.spellings(short), self.prescriber_codes(), now, specialists)

    def spellings(self, reference: str) -> frozenset[str]:
        """Return the ways in which this EHR may write a reference of its own, given as ``Type/id``."""
        return frozenset({reference, f"{self._base}/{reference}"})

    def prescriber_codes(self) -> frozenset[str]:
        """Return the role codes that may prescribe here, as ``system|code``."""
        return prescriber.shipped_role_codes() | frozenset(self.ehr.users.prescriber_role_codes)

    async def smart_configuration(self) -> SmartConfiguration:
        """Return what the EHR's discovery document says, kept for ten minutes; all None where it has none."""
        now = time.monotonic()
        if self._configuration is None or now - self._configuration[0] > CONFIGURATION_S:
            self._configuration = (now, await self._discover())
        return self._configuration[1]

    async def _discover(self) -> SmartConfiguration:
        url = httpx.URL(f"{self._base}/.well-known/smart-configuration")
        answer = await self._transport.send("GET", url, {"Accept": "application/json"})
        if answer.status == 404:
            return SmartConfiguration()
        body = successful(answer, "SMART discovery").body
        return smart_configuration.parse(body, development=self._development)

    async def user_keys(self, *, refresh: bool = False) -> KeySet:
        """Return the keys that sign the EHR's user tokens; ``refresh`` fetches them again, within reason."""
        return await self._keys.get(refresh=refresh)

    async def _fetch_keys(self) -> bytes:
        address = (await self.smart_configuration()).jwks_uri
        if address is None:
            raise EhrFailed("U-EHR-SMART", "The EHR's discovery names no jwks_uri; set ehr.users.jwks_file.")
        answer = await self._transport.send("GET", httpx.URL(address), {"Accept": "application/json"})
        return successful(answer, "the read of its keys").body

    async def backend_token(self, scope: str) -> str | None:
        """Return a SMART Backend Services token, kept until shortly before it ends.

        None only in development, for an EHR whose discovery names no token endpoint.
        """
        return await self._tokens.backend(scope)

    async def authorised(self, scope: str, act: Callable[[str | None], Awaitable[T]]) -> T:
        """Do one request with the backend token, with a new one when the EHR no longer takes it.

        EhrDenied U-EHR-SCOPE names ``scope`` where the EHR does not allow what is asked with it.
        """
        try:
            return await act(await self.backend_token(scope))
        except EhrRefused as error:
            if error.http_status != 401:
                raise denials.of_client(error, self.ehr.smart_client_id, scope) from error.__cause__
        self._tokens.forget(scope)
        try:
            return await act(await self.backend_token(scope))
        except EhrRefused as error:
            raise denials.of_client(error, self.ehr.smart_client_id, scope) from error.__cause__

    async def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Exchange a user's authorisation code for the EHR's token answer; Forbidden U-LAUNCH-DENIED."""
        return await self._tokens.exchange(form)


def _form(parameters: str) -> bytes:
    """Return query parameters, values perhaps percent-encoded, as a form."""
    pairs = [pair.partition("=")[::2] for pair in parameters.split("&")]
    return urlencode([(name, unquote(value)) for name, value in pairs]).encode()


def _type(raw: bytes) -> str:
    try:
        return msgspec.json.decode(raw, type=_Page).resourceType
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
