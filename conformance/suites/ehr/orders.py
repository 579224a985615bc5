"""What a run writes: orders for one test patient, each with an identifier of ours, and how they are taken back."""

import json
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from conformance.checks import Broken, Untested
from conformance.exchanges import Exchange
from conformance.masking import MASKED
from conformance.suites.ehr.listings import Json, Listing
from conformance.suites.ehr.probe import Probe
from fhir_adapters.dialect.code_systems import RXNORM
from fhir_adapters.survey.searches import Request

SYSTEM = "https://undersign.dev/fhir/conformance-check"  # of every identifier that a run writes
_FHIR = "application/fhir+json"
_SAID = "Undersign conformance check: no prescription, not to be dispensed."
# http://hl7.org/fhir/R4/valueset-route-codes.html
_ORAL = {"system": "http://snomed.info/sct", "code": "26643006", "display": "Oral route"}
_OWN = ("id", "meta", "text", "resourceType", "contained", "implicitRules", "language")  # the server's to fill in


async def order(probe: Probe, status: str = "active") -> Json:
    """Return an order for the test patient, with a new identifier and the elements of the orders of the service."""
    return {
        "resourceType": "MedicationRequest",
        "identifier": [{"system": SYSTEM, "value": probe.uuid()}],
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {
            "coding": [{"system": RXNORM, "code": "36437", "display": "sertraline"}],
            "text": "sertraline",
        },
        "subject": {"reference": f"Patient/{probe.access.write}"},
        "authoredOn": probe.now.isoformat(timespec="seconds"),
        "requester": await requester(probe),
        "reasonCode": [{"text": "Conformance check"}],
        "note": [{"text": _SAID}],
        "dosageInstruction": [
            {
                "text": "25 mg once a day",
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "route": {"coding": [_ORAL], "text": "by mouth"},
                "doseAndRate": [{"doseQuantity": {"value": 25, "unit": "mg", "system": "http://unitsofmeasure.org",
                                                  "code": "mg"}}],
            }
        ],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 0,
            "quantity": {"value": 28, "unit": "tablet"},
            "expectedSupplyDuration": {"value": 28, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"},
        },
    }  # fmt: skip


async def requester(probe: Probe) -> Json:
    """Return a Practitioner whom the EHR knows, words where none can be found."""

    async def ask() -> Json:
        answer = await probe.get("Practitioner?_count=1")
        found = [one for _, _, one in Listing(Request("Practitioner?"), (answer,)).matches() if one.get("id")]
        return {"reference": f"Practitioner/{found[0]['id']}"} if found else {"display": _SAID}

    return await probe.session.once("requester", ask)


async def create(probe: Probe, resource: Json, **headers: str) -> Exchange:
    """Create a resource, and remember it as written where it was."""
    await probe.ready()
    kind = str(resource["resourceType"])
    sent = {"content-type": _FHIR, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = await probe.session.send("POST", kind, headers=sent, body=json.dumps(resource).encode())
    if answer.status == 201:
        reference = reference_of(answer, kind) or await found(probe, resource)
        probe.written[reference or f"{kind} with identifier {identifier(resource)}"] = f"a {kind}"
    return answer


async def made(probe: Probe, status: str = "active") -> tuple[Json, Exchange, str]:
    """Return (what was sent, the answer, its reference) of one create of the run; Untested where it was refused."""

    async def make() -> tuple[Json, Exchange, str]:
        sent = await order(probe, status)
        answer = await create(probe, sent)
        reference = reference_of(answer, "MedicationRequest") or await found(probe, sent)
        return sent, answer, reference if answer.status == 201 else ""

    return await probe.session.once(f"written {status}", make)


async def kept(probe: Probe) -> tuple[Json, Exchange, str]:
    """Return what ``made`` does of an active order; Untested where none could be created."""
    sent, answer, reference = await made(probe)
    if not reference:
        raise Untested("no order could be created, so this was not tried", (answer.number,))
    return sent, answer, reference


async def put(probe: Probe, reference: str, resource: Json, if_match: str) -> Exchange:
    """Replace a resource whose version ``if_match`` names."""
    headers = {"content-type": _FHIR, "if-match": if_match}
    return await probe.session.send("PUT", reference, headers=headers, body=json.dumps(resource).encode())


async def transact(probe: Probe, *resources: Json) -> tuple[Exchange, list[str]]:
    """Send a transaction that creates these, and remember what was written; return the answer and the references."""
    await probe.ready()
    entries = [
        {"fullUrl": url, "resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
        for one in resources
        for url in (str(one.pop("_url", f"urn:uuid:{probe.uuid()}")),)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await probe.session.send(
        "POST", probe.base, headers={"content-type": _FHIR}, body=json.dumps(bundle).encode()
    )
    made: list[str] = []
    for one in answer.list("entry") or ():
        held: Any = one.get("response")
        place = short(str(cast("Json", held).get("location", ""))) if isinstance(held, dict) else ""
        if place:
            made.append(place)
            probe.written[place] = "by a transaction"
    return answer, made


async def found(probe: Probe, resource: Json) -> str:
    """Return the reference of the one resource with the identifier of ``resource``, empty for none."""
    held = await with_identifier(probe, resource)
    return f"{held[0].get('resourceType')}/{held[0].get('id')}" if held else ""


async def with_identifier(probe: Probe, resource: Json) -> list[Json]:
    """Return what carries the identifier, and nothing that a server adds to it."""
    return [one for one in await by_identifier(probe, resource) if carries(one, resource)]


async def by_identifier(probe: Probe, resource: Json) -> list[Json]:
    """Return what a search by identifier gives."""
    token = quote(f"{SYSTEM}|{identifier(resource)}", safe="")
    answer = await probe.get(f"{resource['resourceType']}?identifier={token}")
    if answer.status != 200 or answer.object().get("resourceType") != "Bundle":
        return []
    return [one for _, _, one in Listing(Request("x?"), (answer,)).matches()]


def carries(one: Json, resource: Json) -> bool:
    """Return whether a resource has the identifier; a masked one of a recording counts."""
    wanted = (identifier(resource), MASKED)
    held: Any = one.get("identifier")
    pairs = [cast("Json", each) for each in cast("list[Any]", held or []) if isinstance(each, dict)]
    return any(each.get("system") == SYSTEM and each.get("value") in wanted for each in pairs)


def identifier(resource: Json) -> str:
    """Return the value of our identifier, empty for a resource that has none."""
    held = resource.get("identifier")
    return str(held[0]["value"]) if held else ""


def reference_of(answer: Exchange, kind: str) -> str:
    """Return ``Type/id`` of a create's Location, else of its body, else nothing."""
    place = short(answer.header("location"))
    body = answer.object()
    told = f"{kind}/{body['id']}" if body.get("resourceType") == kind and body.get("id") else ""
    return place if place.startswith(f"{kind}/") else told


def short(location: str) -> str:
    """Return ``Type/id`` of an address with or without a version."""
    parts = location.partition("/_history")[0].rstrip("/").split("/")
    return "/".join(parts[-2:]) if len(parts) > 1 and parts[-2][:1].isupper() else ""


async def take_back(probe: Probe, reference: str) -> Exchange | None:
    """Delete what was written, else mark it as entered in error; None where neither is possible."""
    if "/" not in reference:
        return None
    answer = await probe.session.send("DELETE", reference)
    if answer.status in (200, 202, 204, 404, 410):
        probe.written.pop(reference, None)
        return answer
    present = await probe.session.get(reference)
    body = present.object()
    if not reference.startswith("MedicationRequest/") or not body:
        return None
    etag = present.header("etag") or f'W/"{cast("Json", body.get("meta", {})).get("versionId", "1")}"'
    marked = await put(probe, reference, {**body, "status": "entered-in-error"}, etag)
    if marked.status in (200, 201, 204):
        probe.written.pop(reference, None)
        return marked
    return None


async def finish(probe: Probe) -> None:
    """Take back all that the run wrote; what cannot be taken back stays in ``probe.written``."""
    if not probe.written:
        return
    probe.session.allow(4 * len(probe.written))
    # The last first: what refers to another goes before it.
    for reference in reversed(list(probe.written)):
        try:
            await take_back(probe, reference)
        except (Broken, Untested):
            continue


def lost(sent: Json, held: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the elements of what was sent that are not in what is read again, or not as they were."""
    return tuple(
        f"{name} ({'lost' if name not in held else 'changed'})"
        for name, value in sent.items()
        if name not in _OWN and not _same(value, held.get(name))
    )


def _same(sent: Any, held: Any) -> bool:
    """Return whether what was sent is there; a server may add to it."""
    if held == MASKED:
        return isinstance(sent, str)
    if isinstance(sent, dict):
        pairs = cast("Json", sent).items()
        return isinstance(held, dict) and all(_same(inner, cast("Json", held).get(name)) for name, inner in pairs)
    if isinstance(sent, list):
        rows, theirs = cast("list[Any]", sent), cast("list[Any]", held) if isinstance(held, list) else []
        return all(any(_same(one, other) for other in theirs) for one in rows)
    if isinstance(sent, str) and isinstance(held, str):
        return sent == held or held.endswith(f"/{sent}") or (sent[:10] == held[:10] and "T" in sent and "T" in held)
    return bool(sent == held)
