"""A hook request run as the service would, without a network, a store or a log: what was read, and the answer.

The tokens of a captured request have ended, so nothing is fetched; what a call would have fetched is named.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from fhir_adapters.canonical import Adapted, Refusal
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.errors import UndersignError
from fhir_adapters.medication import proposed
from fhir_adapters.medication.proposed import Proposed
from fhir_adapters.reading import strict_json
from fhir_adapters.survey import searches
from recommender.assessment import Assessment
from recommender.catalog import packs
from recommender.ranker import model as models
from service import bootstrap
from service.bootstrap import Services
from service.cds import charts, discovery, envelope, patient_view
from service.cds.cards import Card
from service.cds.discovery import Service, Template
from service.cds.envelope import HookCall
from service.cds.hooks import EVALUATED_BY
from service.cds.stopwatch import Stopwatch
from service.ehr import pages
from service.errors import BadRequest, Forbidden
from service.onboarding.forgetful import Forgetful
from service.settings import Ehr, Settings
from service.smart.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Key:
    """One prefetch key: what came, what its absence costs, and how the EHR would be asked (None: it has no such)."""

    name: str
    came: str
    needed: str
    search: str | None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a request came to; where ``error`` ended it, what lies behind is None or empty.

    ``card`` is what the service would show, None for nothing to say; ``error`` what it would answer instead.
    """

    ehr: Ehr
    service: Service | None = None
    call: HookCall | None = None
    keys: Sequence[Key] = ()
    unasked: Sequence[str] = ()
    orders: Sequence[Proposed] = ()
    unread_orders: Sequence[Refusal] = ()
    adapted: Adapted | None = None
    unread: Sequence[str] = ()
    assessment: Assessment | None = None
    card: Card | None = None
    timing: str = ""
    error: UndersignError | None = None


class _Named(msgspec.Struct):
    hook: str | None = None


class _Sent(msgspec.Struct):
    resourceType: str | None = None  # noqa: N815
    entry: list[msgspec.Raw] = []


def services_of(settings: Settings, ehr: Ehr, now: datetime | None = None) -> Services:
    """Return what an evaluation needs, and nothing that could keep, sign or fetch. ``now`` is aware."""
    nothing = cast("Any", None)
    return Services(
        settings=settings,
        store=cast("Any", Forgetful()),
        signer=nothing,
        sealer=Sealer(secrets.token_bytes(32)),
        knowledge=packs.load(settings.knowledge.pack),
        model=models.load() if settings.model.enabled else None,
        profiles={ehr.id: profiles.load(bootstrap.profile_of(ehr))},
        clients={},
        keys={},
        limits={},
        device=bootstrap.device_of(settings.server.public_url),
        clock=lambda: now or datetime.now(UTC),
    )


def run(ehr: Ehr, raw: bytes, services: Services) -> DryRun:
    """Return what the service would make of a request. What the request is refused for is in the result."""
    found = DryRun(ehr)
    for station in _STATIONS:
        try:
            found = station(found, raw, services)
        except UndersignError as error:
            return replace(found, error=error)
    return found


def _named(found: DryRun, raw: bytes, services: Services) -> DryRun:
    """The address says which service is called; a captured body has only its hook."""
    strict_json.check(raw, max_bytes=services.settings.server.body_limit_bytes)
    try:
        hook = msgspec.json.decode(raw, type=_Named).hook
    except msgspec.ValidationError as error:
        raise BadRequest("U-CDS-REQUEST", f"not a hook request: {error}") from error
    service = next((one for one in discovery.services().values() if one.hook == hook), None)
    if service is None:
        raise BadRequest("U-CDS-HOOK", "no service answers this hook; GET /cds-services lists those that there are")
    return replace(found, service=service)


def _parsed(found: DryRun, raw: bytes, services: Services) -> DryRun:
    service = _service(found)
    call = envelope.parse(raw, service)
    profile = services.profiles[found.ehr.id]
    keys = [_key(template, call.prefetch.get(template.key), profile) for template in service.templates]
    unasked = sorted(call.prefetch.keys() - {template.key for template in service.templates})
    return replace(found, call=call, keys=keys, unasked=unasked)


def _own(found: DryRun, raw: bytes, services: Services) -> DryRun:
    sent = _call(found).fhir_server
    if sent is not None and sent != found.ehr.fhir_base:
        message = f"fhirServer is {sent}, ehr.fhir_base is {found.ehr.fhir_base}: make them equal to the byte"
        raise Forbidden("U-EHR-FHIRSERVER", message)
    return found


def _ordered(found: DryRun, raw: bytes, services: Services) -> DryRun:
    call = _call(found)
    if call.draft_orders is None:
        return found
    orders, unread = proposed.read(call.draft_orders, call.patient_id, services.profiles[found.ehr.id])
    return replace(found, orders=orders, unread_orders=unread)


def _read(found: DryRun, raw: bytes, services: Services) -> DryRun:
    call = replace(_call(found), fhir_server=None)
    seen = asyncio.run(charts.read(call, _service(found), found.ehr, services, Stopwatch()))
    assessment = patient_view.assessed(seen, found.ehr, services, services.model)
    return replace(found, adapted=seen.adapted, unread=seen.unread, assessment=assessment)


def _answered(found: DryRun, raw: bytes, services: Services) -> DryRun:
    call, service, watch = replace(_call(found), fhir_server=None), _service(found), Stopwatch()
    card = asyncio.run(EVALUATED_BY[service.hook](call, service, found.ehr, services, watch))
    return replace(found, card=card, timing=watch.header())


_STATIONS: Sequence[Callable[[DryRun, bytes, Services], DryRun]] = (_named, _parsed, _own, _ordered, _read, _answered)


def _service(found: DryRun) -> Service:
    return cast("Service", found.service)  # the first station has put it there


def _call(found: DryRun) -> HookCall:
    return cast("HookCall", found.call)  # the second one has


def _key(template: Template, value: bytes | None, profile: Profile) -> Key:
    needed = "required" if template.required else "needed to be readable" if template.decisive else "optional"
    asked = searches.request(template, "[patient]", profile)
    search = None if asked is None else f"{'POST' if asked.post else 'GET'} {asked.query}"
    return Key(template.key, "not sent" if value is None else _came(value), needed, search)


def _came(value: bytes) -> str:
    if value == b"null":
        return "null: none on record"
    try:
        sent = msgspec.json.decode(value, type=_Sent)
    except msgspec.ValidationError:
        return "not FHIR"
    if sent.resourceType == "OperationOutcome":
        return "OperationOutcome: the EHR could not read it"
    if sent.resourceType != "Bundle":
        return sent.resourceType or "no resourceType"
    count = f"{len(sent.entry)} {'entry' if len(sent.entry) == 1 else 'entries'}"
    return f"{count}, only in part" if pages.in_part(value) else count
