"""The loop that makes checkpoints: when one is due, by one worker, and into each host's file."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from service import checkpointing
from service.drafts.trail import checkpoints
from service.settings import Audit
from tests.contract.samples import Clock
from tests.integration.fake_ehr import World
from tests.integration.test_fhir_api import play

EVERY = 600


def with_file(scene: World, file: Path | None) -> None:
    """Set the file of checkpoints."""
    settings = scene.services.settings
    audit = Audit(checkpoint_every_s=EVERY, checkpoint_file=file)
    scene.services = replace(scene.services, settings=settings.model_copy(update={"audit": audit}))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - a store and a file tell nobody
            await asyncio.sleep(0.01)


def test_the_loop_makes_the_first_and_writes_it_to_the_file(tmp_path: Path) -> None:
    """What is held before the loop starts is in a checkpoint, in the store and in the file."""
    file = tmp_path / "checkpoints.jsonl"

    async def story(scene: World) -> None:
        with_file(scene, file)
        draft = await scene.hold()

        async def written() -> bool:
            return bool(file.exists() and checkpoints.read(file)[0])

        loop = asyncio.create_task(checkpointing.run(scene.services, look_s=0.01))
        await until(written)
        loop.cancel()
        assert list(checkpoints.seen(checkpoints.read(file)[0])) == [draft.id]
        assert await checkpoints.faults(scene.store, scene.services.signer.public_jwks(), file) == []

    play(tmp_path, story)


def test_none_is_made_before_it_is_due_and_another_hosts_is_copied(tmp_path: Path) -> None:
    """A young checkpoint of another worker is not repeated; its line comes into this host's file."""
    file, clock = tmp_path / "checkpoints.jsonl", Clock()

    async def story(scene: World) -> None:
        with_file(scene, None)
        await scene.hold()
        assert (await checkpointing.once(scene.services)).entries == 1
        await scene.hold()
        clock.forward(EVERY - 1)
        with_file(scene, file)

        async def written() -> bool:
            return file.exists()

        loop = asyncio.create_task(checkpointing.run(scene.services, look_s=0.01))
        await until(written)
        await asyncio.sleep(0.05)
        loop.cancel()
        assert len(await checkpoints.entries(scene.store)) == 1
        clock.forward(2)

        async def made() -> bool:
            return len(await checkpoints.entries(scene.store)) == 2

        loop = asyncio.create_task(checkpointing.run(scene.services, look_s=0.01))
        await until(made)
        loop.cancel()

    play(tmp_path, story, clock)
