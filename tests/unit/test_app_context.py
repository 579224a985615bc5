"""The context of a card's link: only ours opens, only for its tenant, only in its time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.errors import Forbidden
from service.smart.app_context import LIFE, AppContext, make, read
from service.smart.sealing import Sealer

NOW = datetime(2026, 11, 22, 10, 42, tzinfo=UTC)
SEALER = Sealer(b"a secret of this service")
DRAFT = AppContext(draft="48e630a4-0ac1-4ee8-8148-4cc1439eba7e")
GOOD = make(SEALER, "north", DRAFT, NOW)


@pytest.mark.parametrize("context", [DRAFT, AppContext(flag="48e630a4-0ac1-4ee8-8148-4cc1439eba7e")])
def test_what_was_handed_out_comes_back(context: AppContext) -> None:
    """A draft or a flag is read as it was made, until its last moment."""
    text = make(SEALER, "north", context, NOW)
    assert read(SEALER, "north", text, NOW) == read(SEALER, "north", text, NOW + LIFE) == context
    assert text.isascii()
    assert len(text) < 400


@pytest.mark.parametrize("given", [None, ""])
def test_no_context_opens_nothing_in_particular(given: Any) -> None:
    """A launch without a card has none, which is no fault."""
    assert read(SEALER, "north", given, NOW) == AppContext()


@pytest.mark.parametrize(
    ("ehr", "given", "when"),
    [
        ("south", GOOD, NOW),
        ("north", GOOD, NOW + LIFE + timedelta(seconds=1)),
        ("north", make(Sealer(b"another secret"), "north", DRAFT, NOW), NOW),
        ("north", GOOD[:-4], NOW),
        ("north", ("B" if GOOD[0] == "A" else "A") + GOOD[1:], NOW),
        ("north", '{"draft": "48e630a4-0ac1-4ee8-8148-4cc1439eba7e"}', NOW),
        ("north", "x" * 2000, NOW),
        ("north", "ü", NOW),
        ("north", 7, NOW),
        ("north", {"draft": "x"}, NOW),
    ],
)
def test_anything_else_is_refused(ehr: str, given: Any, when: datetime) -> None:
    """Another tenant's, an old one, one of another key, a changed one and what is no text are U-LAUNCH-CONTEXT."""
    with pytest.raises(Forbidden) as caught:
        read(SEALER, ehr, given, when)
    assert caught.value.code == "U-LAUNCH-CONTEXT"
