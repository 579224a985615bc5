"""What a card's ``smart`` link hands to the page through the EHR: which draft or flag is to be opened.

The EHR gives it back in its token answer (CDS Hooks 2.0, Link, ``appContext``). It is sealed: nobody else can make
one, it names its tenant, and it ends with the card's own time.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from service.errors import Forbidden
from service.smart.sealing import Sealer

LIFE = timedelta(hours=12)  # a card lives as long as the chart is open; a link of yesterday opens nothing
_ABOUT = "app-context/"


@dataclass(frozen=True, slots=True)
class AppContext:
    """What to open: a draft's page, or a flag's."""

    draft: str | None = None
    flag: str | None = None


class _Sealed(msgspec.Struct, frozen=True, omit_defaults=True):
    until: float
    draft: str | None = None
    flag: str | None = None


def make(sealer: Sealer, ehr: str, context: AppContext, now: datetime) -> str:
    """Return the text of ``appContext`` for one tenant."""
    plain = msgspec.json.encode(_Sealed((now + LIFE).timestamp(), context.draft, context.flag))
    return base64.urlsafe_b64encode(sealer.seal(plain, _ABOUT + ehr)).rstrip(b"=").decode()


def read(sealer: Sealer, ehr: str, given: Any, now: datetime) -> AppContext:
    """Return what the EHR gave back, nothing where it gave nothing; Forbidden U-LAUNCH-CONTEXT for one not ours."""
    if given is None or given == "":
        return AppContext()
    found = _opened(sealer, ehr, given)
    if found is None or found.until < now.timestamp():
        raise Forbidden("U-LAUNCH-CONTEXT", "This link is too old or not of this chart: open the chart again.")
    return AppContext(found.draft, found.flag)


def _opened(sealer: Sealer, ehr: str, given: Any) -> _Sealed | None:
    if not isinstance(given, str) or len(given) > 1000 or not given.isascii():
        return None
    try:
        raw = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
        plain = sealer.open(raw, _ABOUT + ehr)
        return None if plain is None else msgspec.json.decode(plain, type=_Sealed)
    except (binascii.Error, msgspec.MsgspecError):
        return None
