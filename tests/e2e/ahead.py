"""A ``patient`` ``undersign`` whose store's clock goes before: by the seconds in the file ``ahead`` of its folder."""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from service.drafts import stores
from service.drafts.sqlite.standing import utc_now
from service.drafts.sqlite.store import SqliteStore
from tests.e2e import patient

AHEAD = Path("ahead")


def clock() -> datetime:
    """Return the host's time and what the file adds to it."""
    seconds = float(AHEAD.read_text("utf-8")) if AHEAD.exists() else 0.0
    return utc_now() + timedelta(seconds=seconds)


_module: Any = stores
_module.SqliteStore = partial(SqliteStore, clock=clock)

if __name__ == "__main__":
    patient.main()
