"""order-select and order-sign: the same rules that judge a draft, said of the orders that a person is writing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fhir_adapters.canonical import Refusal
from fhir_adapters.medication import proposed
from fhir_adapters.medication.proposed import Proposed
from recommender import orders
from recommender.assessment import Assessment
from recommender.ranker.model import Model
from service.cds import cards, charts, holding, order_cards, patient_view, silence
from service.cds.charts import Seen
from service.cds.discovery import Service
from service.cds.envelope import HookCall
from service.cds.order_cards import OrderView
from service.cds.stopwatch import Stopwatch
from service.drafts.facts import facts_digest
from service.drafts.records import Draft, Shown
from service.drafts.states import UNCONFIRMED
from service.settings import Ehr

if TYPE_CHECKING:
    from service.bootstrap import Services


@dataclass(frozen=True, slots=True)
class _Order:
    """The orders of a call and the chart that they meet; ``flag`` is that of an alarm which closes drafting."""

    seen: Seen
    proposed: tuple[Proposed, ...]
    unread: tuple[Refusal, ...]
    assessment: Assessment
    flag: str | None = None

    @property
    def alarming(self) -> bool:
        """Whether a person has to look first, by the chart or by an alarm of before that nobody has answered."""
        return self.assessment.gate.status == "crisis" or self.flag is not None


async def selected(
    call: HookCall, service: Service, ehr: Ehr, services: "Services", watch: Stopwatch
) -> cards.Card | None:
    """Return the card on the orders that were selected, with drafts that could take their place, or None.

    Raises as ``patient_view.evaluate``, and InputError for orders that are another patient's or no Bundle.
    """
    met = await _met(call, service, ehr, services, watch, services.model)
    if met is None:
        return None
    wanted = proposed.selected(call.draft_orders or b"{}", call.selections, met.proposed)
    judged = orders.judge(met.proposed, met.seen.adapted, services.knowledge)
    watch.lap("assess")
    told = holding.shown(call, service)
    view = _view(met, ehr, services, told.uuid)
    found = order_cards.OrderView(view, order_cards.about(judged, wanted), met.unread)
    if met.alarming:
        return await _crisis(found, met, told, ehr, services, watch)
    if not order_cards.speaks(found, selecting=True):
        met.seen.check_whole()
        return None
    known = await services.store.find(ehr=ehr.id, patient=met.assessment.patient)
    pending = any(draft.state in UNCONFIRMED for draft in known)
    held: Sequence[Draft] = ()
    if met.assessment.offered and not pending:
        facts = facts_digest(met.seen.adapted, met.assessment, met.seen.attested)
        facts, silenced = await silence.standing(facts, known, service, services)
        held, _ = await holding.hold(facts, met.seen, met.assessment, ehr, services, told, silenced=silenced)
    drafts = [one for one in held if one.ingredient not in order_cards.ingredients(found.judged)]
    watch.lap("hold")
    card = order_cards.selected(found, drafts)
    await holding.remember(card, told, ehr, services, recorded=bool(held))
    return card


async def signing(
    call: HookCall, service: Service, ehr: Ehr, services: "Services", watch: Stopwatch
) -> cards.Card | None:
    """Return the card on what stands against the whole order set, or None. Nothing is suggested, nothing held."""
    met = await _met(call, service, ehr, services, watch, None)
    if met is None:
        return None
    judged = orders.judge(met.proposed, met.seen.adapted, services.knowledge)
    watch.lap("assess")
    told = holding.shown(call, service)
    found = OrderView(_view(met, ehr, services, told.uuid), judged, met.unread)
    if met.alarming:
        return await _crisis(found, met, told, ehr, services, watch)
    if not order_cards.speaks(found, selecting=False):
        met.seen.check_whole()
        return None
    card = order_cards.signing(found)
    await holding.remember(card, told, ehr, services, recorded=False)
    watch.lap("hold")
    return card


async def _met(
    call: HookCall, service: Service, ehr: Ehr, services: "Services", watch: Stopwatch, model: Model | None
) -> _Order | None:
    """Return orders and chart; ``model`` ranks what could be offered instead.

    None where no drug is ordered, or consent or law forbid that anything is worked out.
    """
    raw = call.draft_orders or b"{}"
    found, unread = proposed.read(raw, call.patient_id, services.profiles[ehr.id])
    watch.lap("orders")
    if not found and not unread:
        return None
    seen = await charts.read(call, service, ehr, services, watch)
    open_to = patient_view.assessed(seen, ehr, services, model)
    assessment, stands = await patient_view.heeded(open_to, seen, ehr, services)
    patient_view.log(call, ehr, assessment)
    flag = stands if assessment is not open_to else None
    return None if assessment.gate.silent else _Order(seen, found, unread, assessment, flag)


async def _crisis(
    found: OrderView, met: _Order, told: Shown, ehr: Ehr, services: "Services", watch: Stopwatch
) -> cards.Card | None:
    """Return the crisis card where a drug of ours is ordered, or may be: whoever signs it has to know first.

    What stands against the orders is said all the same: a crisis makes no contraindication smaller.
    """
    speaks = order_cards.speaks(found, selecting=False)
    if not (any(one.known for one in found.judged.orders) or order_cards.untold(found)):
        if not speaks:
            met.seen.check_whole()
            return None
        alone = order_cards.signing(found)
        await holding.remember(alone, told, ehr, services, recorded=False)
        return alone
    facts = facts_digest(met.seen.adapted, met.assessment, met.seen.attested)
    raised = await holding.flag(facts, met.assessment, ehr, services, told)
    watch.lap("hold")
    card = cards.card(_view(met, ehr, services, told.uuid, raised or met.flag))
    if card is not None:
        card = order_cards.beside(card, found) if speaks else card
        await holding.remember(card, told, ehr, services, recorded=raised is not None)
    return card


def _view(met: _Order, ehr: Ehr, services: "Services", uuid: str, flag: str | None = None) -> cards.View:
    return patient_view.viewed(met.seen, met.assessment, (), uuid, flag, ehr, services)
