"""What practitioners state of a draft beside their signatures, on each store: rejections, revocations, referrals."""

from collections.abc import Awaitable

import pytest
from joserfc.jwk import ECKey

from service.drafts.signature import rejections
from service.drafts.signature.signing import Signer
from service.drafts.store import Store
from service.drafts.trail import proof
from service.errors import Conflict
from tests.contract.samples import HOUR, Clock, hold_one, practitioner, prepared_bytes, signature_of
from tests.contract.stores import Run

SIGNER = Signer(ECKey.generate_key("P-384"))
OTHER = Signer(ECKey.generate_key("P-384"))
WHO = practitioner()
GIVEN = {"reason": "wrong-context", "comment": "said so"}


async def refused(act: Awaitable[object]) -> str:
    """Return the code that an act is refused with."""
    with pytest.raises(Conflict) as caught:
        await act
    return caught.value.code


def codes(faults: object) -> list[str]:
    """Return the codes of faults, ``draft <id>: <code>: …``."""
    return [str(fault).split(": ")[1] for fault in faults]  # type: ignore[attr-defined]


def test_a_signed_rejection_is_verified_with_the_store(run: Run):
    """Verification with keys passes it with its comment, and names one by a key that is not known."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        detail = rejections.signed("reject", draft, WHO, GIVEN, {"method": "smart-bearer"}, SIGNER, clock.at)
        ended = await store.reject(draft.id, 1, WHO.reference, detail)
        assert ended.state == "overridden"
        assert list(await store.verify(SIGNER.public_jwks())) == []
        assert codes(await store.verify(OTHER.public_jwks())) == ["U-SIG-KEY"]

    run(story)


def test_a_signed_revocation_is_verified_with_the_store(run: Run):
    """A signature and its revocation both stay in the record and are checked, and the proof says it was taken back."""

    async def story(store: Store, clock: Clock) -> None:
        draft = await hold_one(store)
        shown = prepared_bytes(draft)
        await store.prepare(draft.id, 1, shown, None)
        await store.sign(signature_of(shown, SIGNER.sign_detached(shown.order)), write_back=True, detail={})
        detail = rejections.signed("revoke", draft, WHO, GIVEN, {"method": "smart-bearer"}, SIGNER, clock.at)
        ended = await store.settle(draft.id, "revoked", WHO.reference, {**detail, "attempts": 0})
        assert ended.state == "revoked"
        assert await store.claim(60) is None
        assert list(await store.verify(SIGNER.public_jwks())) == []
        assert codes(await store.verify(OTHER.public_jwks())) == ["U-SIG-KEY", "U-SIG-KEY"]
        record = (await store.read(draft.id), await store.history(draft.id), await store.signature(draft.id))
        found = proof.of_record(*record, SIGNER.public_jwks())
        assert found.subject == "signature"
        assert [one.code for one in found.findings if one.outcome == "failed"] == ["U-ORDER-REVOKED"]
        other = proof.of_record(*record, OTHER.public_jwks())
        assert len([one for one in other.findings if one.outcome == "failed"]) > 1

    run(story)


def test_a_referral_is_noted_while_the_draft_is_held(run: Run):
    """It leaves the draft as it is and stands in the chain; past its time, or once decided, none is noted."""

    async def story(store: Store, clock: Clock) -> None:
        draft, other = await hold_one(store), await hold_one(store, patient="Patient/other")
        noted = await store.note(draft.id, "referred", WHO.reference, {"referral": "r1"})
        assert (noted.state, noted.version) == ("held", 1)
        assert [entry.event for entry in await store.history(draft.id)] == ["held", "referred"]
        await store.reject(draft.id, 1, WHO.reference, {})
        assert await refused(store.note(draft.id, "referred", WHO.reference, {})) == "U-DRAFT-STATE"
        clock.forward(HOUR)
        assert await refused(store.note(other.id, "referred", WHO.reference, {})) == "U-DRAFT-EXPIRED"
        assert list(await store.verify()) == []

    run(story)
