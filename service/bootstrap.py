"""The only place that wires: settings in, everything that a request needs out, opened and closed in order."""

import gc
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import msgspec

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.dialect import profile as profiles
from fhir_adapters.dialect.profile import Profile
from recommender.assess import assess
from recommender.catalog import packs
from recommender.catalog.knowledge import Knowledge
from recommender.ranker import model as models
from recommender.ranker.model import Model
from recommender.training.site import record
from service import jurisdictions, telemetry
from service.cds import discovery, language
from service.cds.client_keys import ClientKeys
from service.drafts import stores
from service.drafts.signature import keys as signing_keys
from service.drafts.signature.signing import Signer
from service.drafts.store import Store
from service.ehr import modes
from service.ehr.client import EhrClient
from service.ehr.limits import Bucket
from service.settings import Ehr, Settings
from service.smart.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Services:
    """What a request needs. Mappings are by tenant id; ``model`` is None where it is switched off.

    Feedback has limits of its own, so that neither can take from the other.

    ``clock`` gives the present time, aware; only the store decides by time of its own. ``stopped`` says, within one
    call, why the site has switched off drugs.
    """

    settings: Settings
    store: Store
    signer: Signer
    sealer: Sealer
    knowledge: Knowledge
    model: Model | None
    profiles: Mapping[str, Profile]
    clients: Mapping[str, EhrClient]
    keys: Mapping[str, ClientKeys]
    limits: Mapping[str, Bucket]
    device: Mapping[str, Any]
    clock: Callable[[], datetime]
    stopped: Mapping[str, str] = field(default_factory=dict[str, str])
    feedback_limits: Mapping[str, Bucket] = field(default_factory=dict[str, Bucket])

    def tenant(self, ehr: str) -> Ehr:
        """Return a tenant by its id; KeyError for one that is not configured."""
        return self.clients[ehr].ehr


def build(settings: Settings) -> Services:
    """Return the services, nothing opened yet.

    Raises ConfigError for keys, profiles and places that cannot be used, ModelError and KnowledgeError for a model or
    rows that do not fit: a service that cannot keep its promises does not start.
    """
    signer = Signer.load_or_create(settings.sign.key_file)
    signing_keys.check(settings.sign, signer)
    keys = {ehr.id: ClientKeys(ehr.cds_client, ca_file=ehr.ca_file) for ehr in settings.ehr if _has_keys(ehr)}
    for known in keys.values():
        known.check()
    knowledge = packs.load(settings.knowledge.pack)
    jurisdictions.check_tenants(settings.ehr, knowledge)
    for ehr in settings.ehr:
        language.of(ehr.language)  # a phrase that is missing keeps the service from starting, not a card from showing
    read_as = {ehr.id: replace(profiles.load(profile_of(ehr)), base=ehr.fhir_base) for ehr in settings.ehr}
    return Services(
        settings=settings,
        store=stores.of(settings),
        signer=signer,
        sealer=Sealer(settings.sign.key_file.read_bytes()),
        knowledge=knowledge,
        model=_model(settings) if settings.model.enabled else None,
        profiles=read_as,
        clients={ehr.id: EhrClient(ehr, signer, settings, read_as[ehr.id].refuses) for ehr in settings.ehr},
        keys=keys,
        limits={ehr.id: Bucket(ehr.limits, time.monotonic) for ehr in settings.ehr},
        device=device_of(settings.server.public_url),
        clock=lambda: datetime.now(UTC),
        feedback_limits={ehr.id: Bucket(ehr.limits, time.monotonic) for ehr in settings.ehr},
    )


def _model(settings: Settings) -> Model:
    """Return the shipped model, or the one in force at the site, checked by its hashes."""
    folder = settings.model.folder
    return models.load() if folder is None else record.at_site(folder)


@asynccontextmanager
async def opened(services: Services) -> AsyncGenerator[Services]:
    """Open the store, warm up, and close everything at the end."""
    await services.store.open()
    try:
        warm_up(services)
        await modes.at_start(services.clients.values())
        yield services
    finally:
        for client in services.clients.values():
            await client.close()
        await services.store.close()
        telemetry.log().info("closed")


def warm_up(services: Services) -> None:
    """Evaluate a synthetic chart, so that tables and model are in memory, and keep them from the collector.

    Frozen objects are not walked by later collections: the tail of a call's time is the collector's.
    """
    chart = (files("service") / "data" / "warm_up.json").read_bytes()
    values = {key: bytes(raw) for key, raw in msgspec.json.decode(chart, type=dict[str, msgspec.Raw]).items()}
    for profile in services.profiles.values():
        adapted = adapt_prefetch(values, "warm-up", date(2026, 11, 22), profile)
        assess(adapted, services.knowledge, services.model)
    discovery.document()
    gc.collect()
    gc.freeze()


def profile_of(ehr: Ehr) -> str:
    """Return the profile of a tenant; ``auto`` takes the shipped one that its address tells."""
    return profiles.match(None, ehr.fhir_base) if ehr.profile == "auto" else ehr.profile


def _has_keys(ehr: Ehr) -> bool:
    client = ehr.cds_client
    return client.issuer is not None and (client.jwks_file is not None or client.jwks_url is not None)


def device_of(public_url: str) -> Mapping[str, Any]:
    """Return the reference to this service as a Device, which proposes drafts."""
    return {"reference": f"{public_url}/fhir/Device/undersign", "type": "Device", "display": "Undersign"}
