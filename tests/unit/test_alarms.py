"""Which alarm still stands: what was said, answered or has passed since it was raised."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from fhir_adapters.canonical import Adapted, ScaleScore
from fhir_adapters.dialect import profile
from recommender.catalog import knowledge
from service.drafts.decision import alarms
from service.drafts.flags import Alarm, Flag
from tests.factories import TODAY, absent, adult, days_ago, patient, score

K = knowledge.load()
ITEM9 = "item9_self_harm"
# No answer of the adult of these tests, but what a row gives.
UNSAID = replace(adult(), features={**adult().features, "phq9_item9": absent("phq9_item9")})


def standing(found: Adapted, raised_days_ago: int | None, attested_days_ago: int | None = None) -> bool:
    """Ask of a patient with an alarm of so many days ago, and a word that was recorded so many days ago."""

    def at(days: int) -> datetime:
        return datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=12) - timedelta(days=days)

    async def flag_of(ehr: str, reference: str) -> Flag | None:
        return None if raised_days_ago is None else Flag("f", ehr, reference, at(raised_days_ago))

    async def alarm(flag: str) -> Alarm | None:
        return None if raised_days_ago is None else Alarm(flag, 1, "facts", b"{}", at(raised_days_ago))

    async def attestations(ehr: str, reference: str) -> list[Any]:
        return [] if attested_days_ago is None else [SimpleNamespace(recorded=at(attested_days_ago))]

    store = SimpleNamespace(flag_of=flag_of, alarm=alarm, attestations=attestations)
    services: Any = SimpleNamespace(store=store, knowledge=K, profiles={"north": profile.load("base-r4")})
    return asyncio.run(alarms.standing(services, "north", found)) is not None


@pytest.mark.parametrize(
    ("raised", "attested", "answers", "stands"),
    [
        (None, None, [], False),
        (5, None, [], True),
        (5, 7, [], True),
        (5, 3, [], False),
        (5, None, [score("phq9", ITEM9, 0, days_ago(2))], False),
        (5, None, [score("phq9", ITEM9, 0, days_ago(5))], True),
        (5, None, [score("phq9", ITEM9, 0, None)], True),
        (5, None, [score("phq9", ITEM9, 0, days_ago(-1))], True),
        (5, None, [score("phq9", "total", 17, days_ago(2))], True),
        (90, None, [], True),
        (91, None, [], False),
    ],
)
def test_an_alarm_stands_until_it_is_answered(
    raised: int | None, attested: int | None, answers: list[ScaleScore], stands: bool
) -> None:
    """It ends with a later word, a later answer to what crisis gates read, or its window, and with nothing else."""
    assert standing(Adapted(patient(*answers), UNSAID, "base-r4"), raised, attested) is stands


@pytest.mark.parametrize(("status", "stands"), [("refused", True), ("present", False)])
def test_an_answer_that_cannot_be_read_answers_nothing(status: Any, stands: bool) -> None:
    """A later answer ends an alarm only where it can be read."""
    later = structs.replace(absent("phq9_item9", status, days_ago(1)), value=0.0 if status == "present" else None)
    vector = replace(UNSAID, features={**UNSAID.features, "phq9_item9": later})
    assert standing(Adapted(patient(), vector, "base-r4"), 5) is stands
