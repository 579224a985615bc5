"""Checkpoints over all chains: what they find that a chain cannot say of itself, on every store."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.drafts.audit import entry_hash
from service.drafts.canonical_json import dumps
from service.drafts.signature.signing import Signer
from service.drafts.store import Store
from service.drafts.trail import checkpoints
from tests.contract.samples import Clock, hold_one, prepared_bytes, resource, sign_one
from tests.contract.stores import Run


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """Return a signer of its own."""
    return Signer.load_or_create(tmp_path_factory.mktemp("key") / "key.json")


def codes(faults: list[str]) -> list[str]:
    """Return the codes of faults."""
    return [fault.split(": ")[1] for fault in faults]


async def several(store: Store, number: int = 3) -> list[str]:
    """Hold drafts of several patients and return their ids."""
    return [(await hold_one(store, f"facts-{n}", f"Patient/p{n}")).id for n in range(number)]


def test_a_checkpoint_names_what_moved_since_the_one_before(run: Run, signer: Signer) -> None:
    """The first names every chain, the next those that moved, and where nothing moved there is none."""

    async def story(store: Store, _clock: Clock) -> None:
        ids = await several(store)
        assert await checkpoints.make(store, signer) == checkpoints.Made(1, 3, ())
        assert await checkpoints.make(store, signer) == checkpoints.Made(0, 3, ())
        moved = await store.read(ids[1])
        await sign_one(store, moved)
        assert (await checkpoints.make(store, signer)).entries == 1
        first, second = await checkpoints.entries(store)
        assert [ident for ident, _, _ in first.detail["changed"]] == sorted(ids)
        assert [ident for ident, _, _ in second.detail["changed"]] == [ids[1]]
        assert second.detail["chains"] == 3
        assert await checkpoints.faults(store, signer.public_jwks()) == []

    run(story)


def test_registers_and_flags_are_in_the_checkpoint_and_itself_is_not(run: Run, signer: Signer) -> None:
    """Every chain but the checkpoints' own is counted."""

    async def story(store: Store, _clock: Clock) -> None:
        await several(store, 1)
        consent = await store.enter(
            "consent", "north", "Patient/p9", "entered", "Practitioner/p1", {"decision": "permit"}
        )
        made = await checkpoints.make(store, signer)
        assert made.chains == 2
        (entry,) = await checkpoints.entries(store)
        assert consent.id in {ident for ident, _, _ in entry.detail["changed"]}
        assert entry.draft not in {ident for ident, _, _ in entry.detail["changed"]}

    run(story)


def test_many_chains_are_split_over_entries(run: Run, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No entry names more chains than the bound, and together they name all."""
    monkeypatch.setattr(checkpoints, "MOST_CHAINS", 2)

    async def story(store: Store, _clock: Clock) -> None:
        ids = await several(store, 5)
        assert (await checkpoints.make(store, signer)).entries == 3
        found = await checkpoints.entries(store)
        assert [len(one.detail["changed"]) for one in found] == [2, 2, 1]
        assert checkpoints.seen(found).keys() == set(ids)
        assert await checkpoints.faults(store, signer.public_jwks()) == []

    run(story)


class Without:
    """A store from which something was taken: ``heads`` and chains as a thief would leave them."""

    def __init__(self, store: Store, ident: str, entries: int) -> None:
        self._store, self._ident, self._entries = store, ident, entries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def heads(self) -> list[tuple[str, int, str]]:
        """Return the heads, one of them gone or cut short."""
        kept = (await self._store.history(self._ident))[: self._entries]
        cut = [(self._ident, kept[-1].seq, kept[-1].hash)] if kept else []
        return sorted([*(one for one in await self._store.heads() if one[0] != self._ident), *cut])


@pytest.mark.parametrize(("left", "code"), [(0, "U-CHECKPOINT-GONE"), (1, "U-CHECKPOINT-BACK")])
def test_a_chain_that_is_gone_or_cut_short_is_found(run: Run, signer: Signer, left: int, code: str) -> None:
    """A draft that was removed with all its rows, or put back to an earlier entry, is named; so is nothing else."""

    async def story(store: Store, _clock: Clock) -> None:
        first, *_ = await several(store)
        await store.mark([first], "presented", "Practitioner/p1", {})
        await checkpoints.make(store, signer)
        thief: Any = Without(store, first, left)
        found = await checkpoints.faults(thief, signer.public_jwks())
        assert codes(found) == [code]
        assert first in found[0]
        assert (await checkpoints.make(thief, signer)).lost == ((first,) if left == 0 else ())

    run(story)


def test_a_chain_that_was_made_anew_is_found(run: Run, signer: Signer) -> None:
    """A chain of the same length with other entries, whole in itself, is another than the checkpoint saw."""

    async def story(store: Store, _clock: Clock) -> None:
        first, *_ = await several(store)
        await checkpoints.make(store, signer)
        heads = await store.heads()

        class Anew(Without):
            async def heads(self) -> list[tuple[str, int, str]]:
                return [(one[0], one[1], "0" * 64 if one[0] == first else one[2]) for one in heads]

            async def history(self, draft: str) -> Any:
                found = await store.history(draft)
                return [replace(one, hash="0" * 64) for one in found] if draft == first else found

        anew: Any = Anew(store, first, 1)
        assert codes(await checkpoints.faults(anew, signer.public_jwks())) == ["U-CHECKPOINT-CHANGED"]
        # The next checkpoint does not sign what the chain became, nor does what follows it hide it.
        assert (await checkpoints.make(anew, signer)).lost == (first,)
        assert codes(await checkpoints.faults(anew, signer.public_jwks())) == ["U-CHECKPOINT-CHANGED"]
        await store.mark([first], "presented", "Practitioner/p1", {})
        assert (await checkpoints.make(anew, signer)).lost == (first,)
        assert codes(await checkpoints.faults(anew, signer.public_jwks())) == ["U-CHECKPOINT-CHANGED"]

    run(story)


def test_a_store_that_went_back_as_a_whole_is_found_by_the_file(run: Run, signer: Signer, tmp_path: Path) -> None:
    """Where chains and checkpoints are gone together, the file alone tells: of each that is not there."""
    file = tmp_path / "checkpoints.jsonl"

    async def story(store: Store, _clock: Clock) -> None:
        await several(store)
        await checkpoints.make(store, signer)
        await store.mark([(await store.heads())[0][0]], "presented", "Practitioner/p1", {})
        await checkpoints.make(store, signer)
        entries = await checkpoints.entries(store)
        assert checkpoints.append(file, entries) == 2
        assert checkpoints.append(file, entries) == 0
        assert await checkpoints.faults(store, signer.public_jwks(), file) == []

        class Back(Without):
            async def registered(self, *_: Any, **__: Any) -> Any:
                return []

            async def heads(self) -> list[tuple[str, int, str]]:
                return []

        back: Any = Back(store, "", 0)
        found = codes(await checkpoints.faults(back, signer.public_jwks(), file))
        assert found == ["U-CHECKPOINT-FILE"] * 2 + ["U-CHECKPOINT-GONE"] * 3
        assert await checkpoints.faults(back, signer.public_jwks()) == []

    run(story)


def test_a_line_that_a_crash_cut_short_is_written_again(run: Run, signer: Signer, tmp_path: Path) -> None:
    """After a torn line the checkpoint follows whole, and nothing is at fault."""
    file = tmp_path / "checkpoints.jsonl"

    async def story(store: Store, _clock: Clock) -> None:
        await several(store)
        await checkpoints.make(store, signer)
        entries = await checkpoints.entries(store)
        checkpoints.append(file, entries)
        file.write_bytes(file.read_bytes()[:-40])
        assert codes(checkpoints.read(file)[1]) == []
        assert checkpoints.append(file, entries) == 1
        assert checkpoints.read(file) == (list(entries), [])
        assert await checkpoints.faults(store, signer.public_jwks(), file) == []

    run(story)


def test_a_checkpoint_by_another_key_is_found(run: Run, signer: Signer, tmp_path: Path) -> None:
    """A checkpoint that the service's key did not sign is a fault, and what it says is not believed."""
    other = Signer.load_or_create(tmp_path / "other.json")

    async def story(store: Store, _clock: Clock) -> None:
        await several(store)
        await checkpoints.make(store, other)
        assert codes(await checkpoints.faults(store, signer.public_jwks())) == ["U-CHECKPOINT-SIGNATURE"]

    run(story)


def test_a_changed_line_of_the_file_is_found(run: Run, signer: Signer, tmp_path: Path) -> None:
    """A line that names other chains, its hash made anew, still lacks the signature."""
    file = tmp_path / "checkpoints.jsonl"

    async def story(store: Store, _clock: Clock) -> None:
        await several(store)
        await checkpoints.make(store, signer)
        (entry,) = await checkpoints.entries(store)
        forged = replace(entry, detail={**entry.detail, "changed": []})
        forged = replace(forged, hash=entry_hash(forged))
        checkpoints.append(file, [forged])
        found = codes(await checkpoints.faults(store, signer.public_jwks(), file))
        assert sorted(found) == ["U-CHECKPOINT-FILE", "U-CHECKPOINT-SIGNATURE"]
        assert json.loads(file.read_text())["detail"]["changed"] == []

    run(story)


def test_the_versions_of_a_draft_are_read(run: Run) -> None:
    """Each version that was written comes back with its bytes; an unknown draft has none."""

    async def story(store: Store, _clock: Clock) -> None:
        draft = await hold_one(store)
        assert await store.revisions(draft.id) == {1: draft.resource}
        edited = replace(prepared_bytes(draft), version=2)
        await store.prepare(draft.id, 1, edited, dumps(resource(authoredOn="2026-11-23")))
        now = await store.read(draft.id)
        assert await store.revisions(draft.id) == {1: draft.resource, 2: now.resource}
        assert await store.revisions("00000000-0000-4000-8000-000000000000") == {}

    run(story)
