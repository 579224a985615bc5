"""One patient as a hook call shows them: the prefetch completed and read, and what practitioners attested."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from fhir_adapters.adapt import adapt_prefetch
from fhir_adapters.canonical import Adapted
from fhir_adapters.dialect.profile import Profile
from fhir_adapters.survey.wanted import Template
from recommender.assessment import Attestation
from service import site_time
from service.cds.discovery import Service
from service.cds.envelope import HookCall
from service.cds.stopwatch import Stopwatch
from service.drafts.decision import attesting, consenting
from service.ehr import pages, prefetch
from service.errors import Precondition
from service.settings import Ehr

if TYPE_CHECKING:
    from service.bootstrap import Services

_REQUESTS = ("MedicationRequest", "MedicationOrder")
_LISTED: Mapping[str, str] = {**dict.fromkeys(_REQUESTS, "medications"), "MedicationStatement": "statements"}


@dataclass(frozen=True, slots=True)
class Seen:
    """``now`` is local time; ``unread`` names in plain words what was neither sent nor could be read, or not whole.

    ``partial`` are the required templates whose list came only in part; ``nameless`` counts the prescriptions in force
    that name no drug, since the Medication that they refer to was neither sent nor could be read.
    """

    adapted: Adapted
    attested: Sequence[Attestation]
    profile: Profile
    now: datetime
    unread: Sequence[str]
    partial: Sequence[Template] = ()
    nameless: int = 0

    def check_whole(self) -> None:
        """Raise Precondition U-CDS-PREFETCH where a required list came only in part.

        For an answer without a card: "nothing to say" would claim that all of it was looked at.
        """
        if self.partial:
            named = "; ".join(f"prefetch.{one.key} (template {one.template})" for one in self.partial)
            raise Precondition(
                "U-CDS-PREFETCH",
                f"required, and sent only in part: {named}; send them whole, or fhirServer and fhirAuthorization",
            )
        if self.nameless:
            raise Precondition(
                "U-CDS-PREFETCH",
                f"required, and neither sent nor readable: the Medication of {self.nameless} in prefetch.medications; "
                "send them with _include=MedicationRequest:medication, or fhirServer and a token that reads Medication",
            )


async def read(call: HookCall, service: Service, ehr: Ehr, services: "Services", watch: Stopwatch) -> Seen:
    """Return the chart of a call.

    Raises Precondition U-CDS-PREFETCH, InputError for a prefetch that cannot be read, and what the store raises.
    """
    values = await complete(call, service, ehr, services)
    watch.lap("prefetch")
    profile = services.profiles[ehr.id]
    now = site_time.local(services.clock(), profile)
    adapted = adapt_prefetch(values, call.patient_id, now.date(), profile, checked=True)
    watch.lap("adapt")
    consent = await consenting.of_patient(services.store, ehr.id, adapted.patient.reference)
    adapted = consenting.with_word(adapted, consent, profile)
    recorded = await services.store.attestations(ehr.id, adapted.patient.reference)
    attested = tuple(attesting.known(one, profile) for one in recorded)
    cut = frozenset(key for key, value in values.items() if pages.in_part(value, profile.notices))
    partial = [one for one in service.templates if one.required and one.key in cut]
    nameless = _nameless(adapted)
    unread = unseen(service, values, cut | {_LISTED[kind] for kind in nameless if kind in _LISTED})
    return Seen(adapted, attested, profile, now, unread, partial, sum(nameless[kind] for kind in _REQUESTS))


def _nameless(adapted: Adapted) -> Counter[str]:
    """Count by resource type the drugs that may be taken and of which not even a name is known."""
    drugs = (one for one in adapted.patient.medications if one.taking != "stopped" and not one.text)
    return Counter(one.source.reference.partition("/")[0] for one in drugs if one.unresolved == "reference-not-found")


def unseen(service: Service, values: Mapping[str, bytes], holed: Collection[str]) -> list[str]:
    """Return in plain words what an evaluation of these values did not see, or not whole; ``holed`` are keys."""
    found: list[str] = []
    for template in service.templates:
        value = values.get(template.key, prefetch.UNREADABLE)
        if value == prefetch.UNREADABLE:
            found.append(template.holds)
        elif template.key in holed:
            found.append(f"{template.holds} (only in part)")
    return found


async def complete(call: HookCall, service: Service, ehr: Ehr, services: "Services") -> Mapping[str, bytes]:
    """Return the prefetch, completed; all of it has passed strict JSON: what was sent, with the body."""
    client = services.clients[ehr.id] if call.fhir_server is not None else None
    profile = services.profiles[ehr.id]
    line = client.line if client else None
    return await prefetch.complete(call.prefetch, service.templates, call.patient_id, client, call.token, profile, line)
