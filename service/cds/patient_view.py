"""patient-view: from an open chart to the one card with drafts, or to nothing to say."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from recommender.assess import assess
from recommender.assessment import Assessment
from recommender.ranker.model import Model
from service import telemetry
from service.cds import cards, charts, holding, silence
from service.cds.charts import Seen
from service.cds.discovery import Service
from service.cds.envelope import HookCall
from service.cds.stopwatch import Stopwatch
from service.drafts.decision import alarms
from service.drafts.facts import facts_digest
from service.drafts.records import Draft
from service.drafts.states import UNCONFIRMED
from service.errors import Unavailable
from service.settings import Ehr
from service.smart import app_context
from service.smart.app_context import AppContext

if TYPE_CHECKING:
    from service.bootstrap import Services


async def evaluate(
    call: HookCall, service: Service, ehr: Ehr, services: "Services", watch: Stopwatch
) -> cards.Card | None:
    """Return the card of one call, its drafts durable in the store, or None when there is nothing to say.

    Raises Unavailable U-MODEL-OFF, Precondition U-CDS-PREFETCH, InputError for a prefetch that cannot be
    read, and what the store raises.
    """
    if services.model is None:
        raise Unavailable("U-MODEL-OFF", "the model is switched off here, so nothing is evaluated")
    seen = await charts.read(call, service, ehr, services, watch)
    assessment, stands = await heeded(assessed(seen, ehr, services, services.model), seen, ehr, services)
    watch.lap("assess")
    known = await services.store.find(ehr=ehr.id, patient=assessment.patient)
    # An order that was signed here and is not yet seen in the EHR is in no chart: options beside it would double it.
    pending = any(draft.state in UNCONFIRMED for draft in known)
    if pending:
        assessment = replace(assessment, offered=(), drafts=())
    told = holding.shown(call, service)
    facts = facts_digest(seen.adapted, assessment, seen.attested)
    facts, silenced = await silence.standing(facts, known, service, services)
    drafts, decided = await holding.hold(facts, seen, assessment, ehr, services, told, silenced=silenced)
    log(call, ehr, assessment)
    if decided:
        watch.lap("hold")
        return None
    raised = await holding.flag(facts, assessment, ehr, services, told)
    watch.lap("hold")
    view = viewed(seen, assessment, drafts, told.uuid, raised or stands, ehr, services)
    card = cards.order_pending(view) if pending and assessment.gate.status == "open" else cards.card(view)
    if card is None:
        seen.check_whole()
    else:
        await holding.remember(card, told, ehr, services, recorded=bool(drafts or raised))
    watch.lap("render")
    return card


async def heeded(assessment: Assessment, seen: Seen, ehr: Ehr, services: "Services") -> tuple[Assessment, str | None]:
    """Return the assessment as an alarm that stands closes it, with the id of its flag; as it is where none does."""
    stands = await alarms.standing(services, ehr.id, seen.adapted)
    if stands is None:
        return assessment, None
    return alarms.closed(assessment, stands) if _unaware(assessment) else assessment, stands.id


def _unaware(assessment: Assessment) -> bool:
    """Say whether drafting is open as if nothing had been answered: an alarm that was settled leaves its warnings."""
    return assessment.gate.status == "open" and not assessment.gate.warnings


def viewed(
    seen: Seen,
    assessment: Assessment,
    drafts: Sequence[Draft],
    uuid: str,
    flag: str | None,
    ehr: Ehr,
    services: "Services",
) -> cards.View:
    """Return what the card of an evaluation is made of."""

    def sealed(opens: AppContext) -> str:
        return app_context.make(services.sealer, ehr.id, opens, services.clock())

    return cards.View(
        ehr=ehr,
        settings=services.settings,
        adapted=seen.adapted,
        assessment=assessment,
        drafts=drafts,
        now=seen.now,
        uuid=uuid,
        unread=seen.unread,
        flag=flag,
        sources=services.knowledge.sources,
        sealed=sealed,
    )


def assessed(seen: Seen, ehr: Ehr, services: "Services", model: Model | None) -> Assessment:
    """Return the assessment of a chart under the tenant's settings; without a model nothing is ranked by it."""
    return assess(
        seen.adapted,
        services.knowledge,
        model,
        jurisdiction=ehr.jurisdiction,
        requester=services.device,
        consent_default=ehr.consent_default,
        attestations=seen.attested,
        stopped=services.stopped,
    )


def log(call: HookCall, ehr: Ehr, assessment: Assessment) -> None:
    """Write the line of an evaluation: no patient's value is in it."""
    telemetry.log().info(
        "evaluated",
        ehr=ehr.id,
        hook_instance=call.hook_instance,
        gate=assessment.gate.status,
        offered=len(assessment.offered),
        **{name: assessment.versions[name] for name in ("model", "knowledge")},
    )
