"""An alarm that still stands: a card has asked people to look first, and nobody has said since that somebody did.

A chart that comes without the answer that raised the alarm says nothing about it: the service knows better.
"""

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from fhir_adapters.canonical import Adapted
from recommender.assessment import Assessment, Escalation, Gate
from recommender.catalog.knowledge import Knowledge
from service import site_time
from service.drafts.flags import Flag

if TYPE_CHECKING:
    from service.bootstrap import Services

_ROW = "ALARM"


async def standing(services: "Services", ehr: str, adapted: Adapted) -> Flag | None:
    """Return the flag of a patient whose last alarm nobody and nothing has answered since, None for every other one.

    What answers it: a word of a practitioner after it, a later answer to what crisis gates read, or the time after
    which such an answer counts no more.
    """
    flag = await services.store.flag_of(ehr, adapted.patient.reference)
    alarm = None if flag is None else await services.store.alarm(flag.id)
    if flag is None or alarm is None:
        return None
    attested = await services.store.attestations(ehr, adapted.patient.reference)
    raised = site_time.local(alarm.raised, services.profiles[ehr])
    answered = any(one.recorded >= alarm.raised for one in attested)
    over = adapted.features.as_of - raised.date() > timedelta(days=_window(services.knowledge))
    later = any(raised.date() < day <= adapted.features.as_of for day in _answers(adapted, services.knowledge))
    return None if answered or over or later else flag


def closed(assessment: Assessment, flag: Flag) -> Assessment:
    """Return the assessment as an alarm that stands closes it: nothing is offered, and who has to look is told."""
    message = (
        "A crisis card was shown for this patient, what it stood on is not in the chart as it came, and nobody has "
        "recorded that the risk was assessed: assess it first."
    )
    told = (Escalation("prescriber", "today", message, _ROW), *assessment.escalations)
    return replace(
        assessment,
        gate=Gate("insufficient-data", (message,)),
        escalations=told,
        offered=(),
        drafts=(),
    )


def _window(knowledge: Knowledge) -> int:
    return max((row.window_days or 0 for row in knowledge.gates if row.effect == "crisis"), default=0)


def _answers(adapted: Adapted, knowledge: Knowledge) -> list[date]:
    """Return the days of the answers that crisis gates read, of features and of scales; an unreadable one is none."""
    read = {row.reads for row in knowledge.gates if row.effect == "crisis"}
    scales = [one.effective for one in adapted.patient.scales if f"scale:{one.scale}/{one.part}" in read]
    given = {name: one for name, one in adapted.features.features.items() if one.status == "present"}
    features = [one.effective for name, one in given.items() if f"feature:{name}" in read]
    return [day for day in (*scales, *features) if day is not None]
