"""What was acknowledged on this host and is not in the store that was walked: a fault each."""

from collections.abc import Iterator, Mapping

from service.drafts.redis import word_replay
from service.drafts.redis.draft_walk import Walked
from service.drafts.redis.receipt import Acknowledged

Found = Mapping[str, Walked]
_NOTHING = Walked(())


def lost(told: Acknowledged, drafts: Found, flags: Found, registers: Found) -> Iterator[str]:
    """Name each receipt that nothing in the store answers to, as U-RECEIPT-LOST."""
    for signed in told.signed:
        draft = signed.signature.draft
        if drafts.get(draft, _NOTHING).signature != signed.signature:
            yield f"draft {draft}: U-RECEIPT-LOST: its acknowledged signature is not in the store"
    for what, some, state in (("revocation", told.revoked, "revoked"), ("rejection", told.rejected, "overridden")):
        for one in some:
            if drafts.get(one.draft, _NOTHING).state != state:
                yield f"draft {one.draft}: U-RECEIPT-LOST: its acknowledged {what} is not in the store"
    said = {one for walked in flags.values() for one in walked.said}
    for word in told.attested:
        if word_replay.said(word.ehr, word.patient, word.made) not in said:
            yield f"flag {word.made.flag}: U-RECEIPT-LOST: an acknowledged attestation is not in the store"
    entered = {one for walked in registers.values() for one in walked.said}
    for entry in told.entered:
        if entry.entry.hash not in entered:
            yield (f"register {entry.id}: U-RECEIPT-LOST: its acknowledged entry {entry.entry.seq} is not in the store")
