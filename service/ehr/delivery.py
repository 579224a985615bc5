"""One signed order written to one EHR: found or created once, read back, compared, and its Provenance added.

At least once, an identifier and a read-back make it once: conditional create is racy in several servers, so
the answer to a create is never the proof. The lease on our side keeps two workers from writing at a time.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec

from service.drafts.orders import order_identifier, provenance_for
from service.drafts.store import OutboxEntry
from service.ehr.client import EhrClient
from service.ehr.readback import differences, read_resource
from service.ehr.transport import Answer, EhrRefused, successful
from service.errors import EhrFailed

# Least first: no wildcard, no delete (SMART 2.2 scopes).
SCOPE = "system/MedicationRequest.crus system/Provenance.c system/Provenance.s"
T = TypeVar("T")
Keep = Callable[[Mapping[str, str]], Awaitable[None]]


class Mismatch(Exception):
    """What the EHR holds is not what was signed; ``fields`` names where. A person has to look."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


class _Resource(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    id: str | None = None


class _Entry(msgspec.Struct, frozen=True):
    resource: msgspec.Raw = msgspec.Raw()


class _Page(msgspec.Struct, frozen=True):
    entry: list[_Entry] = []


class Delivery:
    """The write-back of one outbox entry; ``keep`` records a finished step under the entry's lease."""

    def __init__(self, client: EhrClient, entry: OutboxEntry, keep: Keep) -> None:
        self._client = client
        self._entry = entry
        self._keep = keep
        self._system, self._value = order_identifier(entry.order)

    async def run(self) -> None:
        """Write what is not written yet and check it.

        Mismatch when a person has to look; EhrRefused or EhrFailed when the EHR does not take it.
        """
        progress = dict(self._entry.progress)
        order = progress.get("order") or await self._order()
        held = await self._authorised(lambda token: self._client.read(order, token))
        fields = differences(self._entry.order, held, self._client.ehr.fhir_base)
        if fields:
            raise Mismatch(fields)
        if "provenance" not in progress:
            await self._keep({"provenance": await self._provenance(order)})

    async def _order(self) -> str:
        """Return the reference of the one order with our identifier, created if there is none."""
        found = await self._ours() if self._entry.attempts > 1 else []
        reference, version = (found[0], None) if found else await self._create()
        kept = {"order": reference} | ({"version": version} if version else {})
        await self._keep(kept)
        # A create that answered well may still have made a second one beside an earlier attempt's.
        await self._ours()
        return reference

    async def _create(self) -> tuple[str, str | None]:
        answer = await self._post("MedicationRequest", self._entry.order, self._by_identifier())
        if answer.status == 412:
            raise Mismatch(("two-matches",))
        reference, version = _location("MedicationRequest", successful(answer, "a create"))
        if reference is None:
            # Some servers answer a create with neither address nor body.
            found = await self._ours()
            reference = found[0] if found else None
        if reference is None:
            raise EhrFailed("U-EHR-ANSWER", "The EHR took the order but does not say where it is; try again.")
        return reference, version

    async def _ours(self) -> list[str]:
        """Return the orders that carry our identifier, at most one; Mismatch for more.

        A server may ignore the search parameter, so what it answers is looked at.
        """
        search = f"MedicationRequest?{self._by_identifier()}"
        pages = await self._authorised(lambda token: self._client.search(search, token))
        found = {
            f"MedicationRequest/{resource['id']}"
            for resource in _resources(pages, "MedicationRequest")
            if _has_identifier(resource, self._system, self._value)
        }
        if len(found) > 1:
            raise Mismatch(("two-matches",))
        return sorted(found)

    def _by_identifier(self) -> str:
        return f"identifier={quote(f'{self._system}|{self._value}', safe='')}"

    async def _provenance(self, order: str) -> str:
        ours = provenance_for(self._entry.provenance, order)
        found = await self._recorded(order, ours) if self._entry.attempts > 1 else None
        if found is not None:
            return found
        answer = successful(await self._post("Provenance", ours, None), "a create of the Provenance")
        reference, _ = _location("Provenance", answer)
        return reference or await self._recorded(order, ours) or "unknown"

    async def _recorded(self, order: str, ours: bytes) -> str | None:
        """Return the Provenance that already carries our signature."""
        signature = _signature_data(read_resource(ours))
        pages = await self._authorised(
            lambda token: self._client.search(f"Provenance?target={quote(order, safe='')}", token)
        )
        for resource in _resources(pages, "Provenance"):
            if signature and _signature_data(resource) == signature:
                return f"Provenance/{resource['id']}"
        return None

    async def _post(self, kind: str, resource: bytes, if_none_exist: str | None) -> Answer:
        async def create(token: str | None) -> Answer:
            answer = await self._client.create(kind, resource, if_none_exist=if_none_exist, token=token)
            if answer.status == 401:
                successful(answer, "a create")
            return answer

        return await self._authorised(create)

    async def _authorised(self, act: Callable[[str | None], Awaitable[T]]) -> T:
        """Do one request with the backend token, with a new one when the EHR no longer takes it."""
        try:
            return await act(await self._client.backend_token(SCOPE))
        except EhrRefused as error:
            if error.http_status != 401:
                raise
        self._client.forget_token(SCOPE)
        return await act(await self._client.backend_token(SCOPE))


def _location(kind: str, answer: Answer) -> tuple[str | None, str | None]:
    """Return (``Type/id``, version) of a create's Location, else of its body (R4 http.html#create)."""
    parts = answer.headers.get("location", "").split("?")[0].rstrip("/").split("/")
    if "_history" in parts:
        place = parts.index("_history")
        parts, version = parts[:place], parts[place + 1] if place + 1 < len(parts) else None
    else:
        version = answer.headers.get("etag", "").removeprefix("W/").strip('"') or None
    if len(parts) >= 2 and parts[-2] == kind and parts[-1]:
        return f"{kind}/{parts[-1]}", version
    try:
        resource = msgspec.json.decode(answer.body, type=_Resource)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, version
    return (f"{kind}/{resource.id}" if resource.resourceType == kind and resource.id else None), version


def _resources(pages: list[bytes], kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in pages:
        try:
            entries = msgspec.json.decode(page, type=_Page).entry
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EhrFailed("U-EHR-ANSWER", "The EHR's search answer cannot be read.") from error
        read = [read_resource(bytes(entry.resource)) for entry in entries if entry.resource]
        found += [r for r in read if r.get("resourceType") == kind and isinstance(r.get("id"), str)]
    return found


def _has_identifier(resource: Mapping[str, Any], system: str, value: str) -> bool:
    identifiers = resource.get("identifier")
    if not isinstance(identifiers, list):
        return False
    held = [cast(dict[str, Any], i) for i in cast(list[object], identifiers) if isinstance(i, dict)]
    return any(item.get("system") == system and item.get("value") == value for item in held)


def _signature_data(resource: Mapping[str, Any]) -> str | None:
    signatures = resource.get("signature")
    if not isinstance(signatures, list) or not signatures:
        return None
    first = cast(list[object], signatures)[0]
    return cast(dict[str, Any], first).get("data") if isinstance(first, dict) else None
