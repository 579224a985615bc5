"""Whose write-back is next: the longest due of all, or of those tenants that are not left out; on every store."""

from service.drafts.canonical_json import dumps
from service.drafts.records import Draft, NewDraft
from service.drafts.store import Store
from tests.contract import samples
from tests.contract.samples import Clock, sign_one
from tests.contract.stores import Run


async def signed_at(store: Store, ehr: str, patient: str) -> Draft:
    """Sign a draft of a tenant's patient."""
    new = NewDraft("sertraline", 0, dumps(samples.resource()), dumps({"acknowledge": []}))
    (draft,) = await store.hold(ehr, patient, "facts", [new], 3600, "Device/undersign")
    await sign_one(store, draft)
    return draft


def test_the_longest_due_of_the_tenants_that_are_not_left_out_is_next(run: Run):
    """With tenants left out the next one is the longest due of the others, and none where there are no others."""

    async def story(store: Store, clock: Clock) -> None:
        drafts: dict[str, Draft] = {}
        for number, ehr in enumerate(("south", "south", "south", "north")):
            drafts[f"{ehr}-{number}"] = await signed_at(store, ehr, f"Patient/{ehr}-{number}")
            clock.forward(1)
        taken = [await store.claim(600, left_out) for left_out in (("south",), ["south"], ("south", "north"), [], ())]
        found = [None if one is None else one.draft for one in taken]
        names = ("north-3", None, None, "south-0", "south-1")
        assert found == [drafts[name].id if name else None for name in names]
        assert await store.claim(600, ("no-such",)) is not None
        assert await store.claim(600) is None

    run(story)
