"""The whole story over HTTP, as a newcomer runs it: both programs, a card, a signature, an order in the EHR."""

import io
import re

from conformance.demo import run


def test_the_story_ends_with_one_signed_order_and_a_whole_audit_chain() -> None:
    """It ends with status 0, shows the refusals, and leaves one draft with the address of its page."""
    out = io.StringIO()
    status = run(once=True, out=out)
    told = out.getvalue()
    assert status == 0, told
    assert [line[0] for line in told.splitlines() if re.match(r"\d  ", line)] == list("1234567")
    for code in ("U-SIGNER-INACTIVE", "U-SIGNER-ROLE", "U-DRAFT-SIGNED"):
        assert code in told
    assert re.search(r"http://127\.0\.0\.1:\d+/review/[0-9a-f-]{36}\n", told)
    assert "\x1b" not in told
