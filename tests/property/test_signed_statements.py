"""The law of signed statements: whatever is said verifies as it was said, and as nothing else."""

from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as some
from joserfc.jwk import ECKey

from service.drafts import claims
from service.drafts.audit import seal
from service.drafts.signature import rejections
from service.drafts.signature.signing import Signer
from tests.contract.samples import START, held_draft, practitioner

SIGNER = Signer(ECKey.generate_key("P-384"))
DRAFT, WHO = held_draft(), practitioner()
TEXTS = some.text(some.characters(codec="utf-8"), max_size=60)
GIVEN = some.fixed_dictionaries({}, optional={"reason": some.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z"), "comment": TEXTS})
TIMES = some.datetimes(min_value=START.replace(tzinfo=None), timezones=some.just(UTC))


@settings(max_examples=60, deadline=None)
@given(said=GIVEN, other=GIVEN, at=TIMES, act=some.sampled_from(["reject", "revoke"]))
def test_a_statement_verifies_as_it_was_said_and_as_nothing_else(said, other, at, act) -> None:
    """Under any reason, comment and time the entry verifies; with another's reason or comment in it, it does not."""
    event = {"reject": "overridden", "revoke": "revoked"}[act]

    def faults(kept: dict[str, str]) -> list[str]:
        detail = rejections.signed(act, DRAFT, WHO, said, {"method": "m"}, SIGNER, at)
        stated = {name: detail[name] for name in ("statement", "assertion")}
        told = {name: claims.of_comment(text) if name == "comment" else text for name, text in kept.items()}
        entry = seal(None, DRAFT.id, START, event, WHO.reference, {"given": {**stated, **told}})
        return list(rejections.faults(DRAFT, [entry], {1: DRAFT.resource}, SIGNER.public_jwks()))

    assert faults(said) == []
    assert (faults(other) == []) is (other == said)
