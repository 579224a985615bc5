"""Ending the record of old accesses: whole years of a patient go, and a signed entry says which, by whom and why.

Nothing else of the store is ever removed, and nothing by itself: a person asks for it. What the entry names is no
longer missed by the checkpoints that saw it; it is signed with the service's key, so that who owns the store alone
cannot make away with a chain by calling it forgotten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, cast

from fhir_adapters.errors import UndersignError
from service.drafts.canonical_json import dumps
from service.drafts.records import AuditEntry
from service.drafts.registers import Kind, Registered
from service.drafts.signature.signing import Signer, verify_detached
from service.drafts.store import Store
from service.drafts.trail import access

KIND: Final[Kind] = "forgotten"
AT_ONCE: Final = 500
# Number and hash of the last entry of a chain, by its id.
Ends = Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Word:
    """Who ends the record, and why."""

    by: str
    reason: str


async def forget(store: Store, signer: Signer, years: int, word: Word) -> int:
    """Remove the accesses of years that ended more than ``years`` whole years ago; returns how many chains went.

    Conflict U-REGISTER-MOVED where one has got another entry meanwhile.
    """
    first = (await store.now()).year - years
    old = [one for one in await store.registered(access.KIND) if access.year_of(one) < first]
    for ehr, mine in groupby(old, lambda one: one.ehr):
        chains = list(mine)
        for start in range(0, len(chains), AT_ONCE):
            await _forget(store, signer, ehr, chains[start : start + AT_ONCE], word)
    return len(old)


async def forgotten(store: Store, jwks: Mapping[str, Any] | None) -> Ends:
    """Return the chains that were forgotten, where they ended; with keys, only those that are so signed."""
    found: dict[str, tuple[int, str]] = {}
    for register in await store.registered(KIND):
        for entry in await store.entries(register.id):
            if jwks is None or _is_signed(entry, jwks):
                ends = cast("list[tuple[str, int, str]]", entry.detail["chains"])
                found |= {ident: (seq, last) for ident, seq, last in ends}
    return found


async def _forget(store: Store, signer: Signer, ehr: str, chains: Sequence[Registered], word: Word) -> None:
    said = {"chains": [[one.id, one.entry.seq, one.entry.hash] for one in chains], "reason": word.reason}
    jws = signer.sign_detached(_payload(said))
    await store.forget(chains, ehr, f"operator:{word.by}", {**said, "jws": jws})


def _payload(said: Mapping[str, Any]) -> bytes:
    return dumps({"forgotten": said["chains"], "reason": said["reason"]})


def _is_signed(entry: AuditEntry, jwks: Mapping[str, Any]) -> bool:
    try:
        verify_detached(str(entry.detail["jws"]), _payload(entry.detail), jwks, entry.at)
    except (UndersignError, LookupError, TypeError, ValueError):
        return False
    return True
