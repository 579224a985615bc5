"""One signed order written to one EHR: found or created once, read back, compared, and its Provenance added.

At least once, an identifier and a read-back make it once: conditional create is racy in several servers, so
the answer to a create is never the proof. The lease on our side keeps two workers from writing at a time.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec

from service.drafts.canonical_json import dumps, load_object
from service.drafts.commit.outbox_steps import ORDER_STEP, SENT_STEP
from service.drafts.records import OutboxEntry
from service.drafts.signature.orders import order_identifier, provenance_for
from service.ehr import alike, documents, entries
from service.ehr.client import EhrClient
from service.ehr.readback import differences, left_out, read_resource
from service.ehr.transport import DENYING, Answer, EhrRefused, successful
from service.errors import EhrFailed

ORDER = "MedicationRequest"
# Least first: no wildcard, no delete (SMART 2.2 scopes).
SCOPE = "system/MedicationRequest.crus system/Provenance.c system/Provenance.s"
DOCUMENT_SCOPE = "system/DocumentReference.crs system/Binary.r"
_LOOKING = {ORDER: "system/MedicationRequest.rs", documents.KIND: "system/DocumentReference.rs"}
_PROVENANCE_SENT = "provenance-sent"
_VOID = "entered-in-error"
T = TypeVar("T")
Keep = Callable[[Mapping[str, str]], Awaitable[None]]
Create = Callable[[str | None], Awaitable[Answer]]


class Mismatch(Exception):
    """What the EHR holds is not what was signed; ``fields`` names where. A person has to look."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


class _Resource(msgspec.Struct, frozen=True):
    resourceType: str  # noqa: N815
    id: str | None = None


class Delivery:
    """The write-back of one outbox entry, of the order or (mode ``document-only``) of a document that holds it.

    ``keep`` records a finished step under the entry's lease, and before a create that it is sent. What ``only_looks``
    asks with a scope for reading.
    """

    def __init__(
        self, client: EhrClient, entry: OutboxEntry, keep: Keep, mode: str, *, only_looks: bool = False
    ) -> None:
        self._client = client
        self._entry = entry
        self._keep = keep
        self._mode = mode
        self._as_document = mode == "document-only"
        self._kind = documents.KIND if self._as_document else ORDER
        self._resource = documents.document(entry) if self._as_document else entry.order
        written = DOCUMENT_SCOPE if self._as_document else SCOPE
        self._scope = _LOOKING[self._kind] if only_looks else written
        self._system, self._value = order_identifier(entry.order)
        # Whether something was sent of which nobody knows what became: a search may not show it yet.
        self.unanswered = False
        # Whether the EHR has what we never recorded as sent: the store has lost that, and what was done after it.
        self._forgotten = False

    async def run(self) -> Mapping[str, str]:
        """Write what is not written yet and check it; returns what the record should say of it.

        Mismatch when a person has to look; EhrRefused or EhrFailed when the EHR does not take it.
        """
        order = await self._order()
        held = await self._read(order)
        if fields := await self._differences(held):
            raise Mismatch(fields)
        if self._as_document:
            return {}
        lost = left_out(self._entry.order, held)
        said = {"left_out": ", ".join(lost)} if lost else {}
        return said if "provenance" in self._entry.progress else said | await self._with_provenance(order)

    async def there(self) -> bool:
        """Say whether the EHR holds what would be written; Mismatch for two of it, or one without its identifier."""
        if await self._ours():
            return True
        await self._check_unlike()
        return False

    async def _order(self) -> str:
        """Return the reference of the one resource with our identifier, created if there is none.

        It is looked for before a first attempt too: a store that was restored has forgotten the attempts since.
        """
        progress, found = self._entry.progress, await self._ours()
        known = found[0] if found else progress.get(ORDER_STEP)
        self._forgotten = bool(found) and not {SENT_STEP, ORDER_STEP} & progress.keys()
        if known is not None:
            if known != progress.get(ORDER_STEP):
                await self._keep({ORDER_STEP: known})
            return known
        if self._entry.attempts > 1:
            await self._check_unlike()
        reference, version = await self._create()
        self.unanswered = False
        await self._keep({ORDER_STEP: reference} | ({"version": version} if version else {}))
        # A create that answered well may still have made a second one beside an earlier attempt's.
        await self._ours()
        return reference

    async def _read(self, reference: str) -> bytes:
        return await self._asked(lambda token: self._client.read(reference, token))

    async def _holds(self, reference: str) -> bool:
        try:
            await self._read(reference)
        except EhrRefused as error:
            if error.http_status in (404, 410):
                return False
            raise
        return True

    async def _differences(self, held: bytes) -> tuple[str, ...]:
        base = self._client.ehr.fhir_base
        if self._as_document:
            return await documents.differences(self._resource, held, base, self._read)
        return differences(self._entry.order, held, base)

    async def _create(self) -> tuple[str, str | None]:
        given, answer = await self._sent()
        if answer.status == 412:
            # Two of it for a conditional create; under an id of ours the one that is there, which is read back.
            if given is None:
                raise Mismatch(("two-matches",))
            if await self._holds(given):
                return given, None
        reference, version = _location(self._kind, successful(answer, "a create"))
        if reference is None:
            # Some servers answer a create with neither address nor body.
            found = await self._ours()
            reference = found[0] if found else None
        if reference is None:
            raise EhrFailed("U-EHR-ANSWER", "The EHR took the order but does not say where it is; try again.")
        return reference, version

    async def _sent(self) -> tuple[str | None, Answer]:
        """Create by identifier, or under the order's own id, told then, where the EHR declares that alone."""
        declared = await self._client.capabilities()
        if declared.has(self._kind, "conditionalCreate") or not declared.has(self._kind, "updateCreate"):
            kind, resource, query = self._kind, self._resource, self._by_identifier()
            return None, await self._created(
                self._marked(lambda token: self._client.create(kind, resource, if_none_exist=query, token=token))
            )
        named = dumps({**load_object(self._resource), "id": self._entry.order_id})
        reference = f"{self._kind}/{self._entry.order_id}"
        return reference, await self._created(
            self._marked(lambda token: self._client.create_as(reference, named, token))
        )

    def _marked(self, create: Create) -> Create:
        """Record that it is sent before it is, so that nothing that may be in the EHR is given up unasked."""

        async def marked(token: str | None) -> Answer:
            await self._keep({SENT_STEP: self._mode})
            self.unanswered = True
            return await create(token)

        return marked

    async def _ours(self) -> list[str]:
        return await found(self._client, self._scope, self._kind, (self._system, self._value))

    async def _check_unlike(self) -> None:
        """Stop before another create where an earlier one may stand there without its identifier: Mismatch."""
        ours, base = load_object(self._resource), self._client.ehr.fhir_base
        patient = str(ours["subject"]["reference"]).removeprefix("Patient/")
        search = f"{self._kind}?patient={quote(patient, safe='')}"
        pages = await self._asked(lambda token: self._client.search(search, token))
        if any(alike.may_be(ours, resource, base) for resource in entries.of_kind(pages, self._kind)):
            raise Mismatch(("identifier",))

    def _by_identifier(self) -> str:
        return f"identifier={quote(f'{self._system}|{self._value}', safe='')}"

    async def _with_provenance(self, order: str) -> dict[str, str]:
        """Add the Provenance once, looked for even at a first attempt: the store may have forgotten those before.

        Where the EHR cannot be searched for it, none is added that may have been before, and the record says so.
        """
        ours = provenance_for(self._entry.provenance, order)
        declared = await self._client.capabilities()
        searched = declared.has("Provenance", "search-type") and declared.has("Provenance", "?target")
        if searched and (found := await self._recorded(order, ours)):
            await self._keep({"provenance": found})
            return {}
        if not searched:
            if self._forgotten or _PROVENANCE_SENT in self._entry.progress:
                return {"provenance": "sent before, and this EHR cannot be searched for it"}
            await self._keep({_PROVENANCE_SENT: str(self._entry.attempts)})
        self.unanswered = True
        sent = await self._created(lambda token: self._client.create("Provenance", ours, token=token))
        answer = successful(sent, "a create of the Provenance")
        reference, _ = _location("Provenance", answer)
        if reference is None and searched:
            reference = await self._recorded(order, ours)
            if reference is None:
                raise EhrFailed("U-EHR-ANSWER", "The EHR took the Provenance and does not show it; try again.")
        await self._keep({"provenance": reference or "unknown"})
        return {}

    async def _recorded(self, order: str, ours: bytes) -> str | None:
        """Return the Provenance that already carries our signature."""
        signature = _signature_data(read_resource(ours))
        pages = await self._asked(
            lambda token: self._client.search(f"Provenance?target={quote(order, safe='')}", token)
        )
        for resource in entries.of_kind(pages, "Provenance"):
            if signature and _signature_data(resource) == signature:
                return f"Provenance/{resource['id']}"
        return None

    async def _created(self, create: Create) -> Answer:
        async def once(token: str | None) -> Answer:
            answer = await create(token)
            return successful(answer, "a create") if answer.status in DENYING else answer

        return await self._authorised(once)

    async def _asked(self, act: Callable[[str | None], Awaitable[T]]) -> T:
        """Read, and once more what fails with 5xx: an EHR that fails now and then must not hold an order up."""
        try:
            return await self._authorised(act)
        except EhrRefused as error:
            if error.http_status < 500:
                raise
        return await self._authorised(act)

    async def _authorised(self, act: Callable[[str | None], Awaitable[T]]) -> T:
        return await self._client.authorised(self._scope, act)


async def found(client: EhrClient, scope: str, kind: str, identifier: tuple[str, str]) -> list[str]:
    """Return what carries an order's identifier (system, value) at the EHR, at most one; Mismatch for more.

    A server may ignore the search parameter, so what it answers is looked at. Of two, those that a person has marked
    as entered in error no longer count.
    """
    search = f"{kind}?identifier={quote('|'.join(identifier), safe='')}"
    pages = await client.authorised(scope, lambda token: client.search(search, token))
    held = {
        f"{kind}/{resource['id']}": resource.get("status")
        for resource in entries.of_kind(pages, kind)
        if _has_identifier(resource, *identifier)
    }
    if len(held) > 1:
        held = {reference: status for reference, status in held.items() if status != _VOID}
        if len(held) != 1:
            raise Mismatch(("two-matches",))
    return list(held)


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
