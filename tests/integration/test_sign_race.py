"""Many signers at once: exactly one wins, and the order goes out once."""

import asyncio
from pathlib import Path

import httpx
import pytest

from service.ehr import writeback
from tests.integration.fake_ehr import World, user_token, world

SIGNERS = 8


async def _race(scene: World, same_person: bool) -> list[httpx.Response]:
    draft = await scene.hold()
    people = [1] * SIGNERS if same_person else range(1, SIGNERS + 1)
    tokens = [user_token(f"Practitioner/p{n}", sub=f"user-{n}") for n in people]
    for number in people:
        scene.ehr.prescriber(f"p{number}")
    shown = [await scene.prepared(draft.id, token) for token in tokens]
    signing = [
        scene.post(draft.id, "sign", *parameters, token=token) for parameters, token in zip(shown, tokens, strict=True)
    ]
    return await asyncio.gather(*signing)


@pytest.mark.parametrize("same_person", [True, False])
def test_one_of_eight_concurrent_signers_wins(tmp_path: Path, same_person: bool) -> None:
    """Of eight signatures at once, by one person or by eight, one is 200 and seven are 409 U-DRAFT-SIGNED."""

    async def story() -> None:
        async with world(tmp_path) as scene:
            for _ in range(5):
                answers = await _race(scene, same_person)
                won = [answer for answer in answers if answer.status_code == 200]
                lost = {a.json()["issue"][0]["details"]["coding"][0]["code"] for a in answers if a not in won}
                assert (len(won), lost) == (1, {"U-DRAFT-SIGNED"})
                while await writeback.once(scene.services):
                    pass
                for order in scene.ehr.of("MedicationRequest"):
                    order["status"] = "completed"  # or the next round would double it
            orders = scene.ehr.of("MedicationRequest")
            assert len(orders) == len({order["identifier"][0]["value"] for order in orders}) == 5
            assert await scene.store.verify() == ()

    asyncio.run(story())


def test_a_signature_and_a_rejection_exclude_each_other(tmp_path: Path) -> None:
    """When one signs while another rejects, one of them is told 409, and the record shows the other."""

    async def story() -> None:
        async with world(tmp_path) as scene:
            for _ in range(10):
                draft = await scene.hold()
                given = await scene.prepared(draft.id)
                both = await asyncio.gather(scene.post(draft.id, "sign", *given), scene.post(draft.id, "reject"))
                assert sorted(answer.status_code for answer in both) == [200, 409]
                state = (await scene.store.read(draft.id)).state
                assert state == ("signed" if both[0].status_code == 200 else "overridden")

    asyncio.run(story())
