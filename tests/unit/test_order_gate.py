"""What a page shows of a text, and what keeps a signer's own words apart from the dose."""

import pytest

from service.drafts.order import dosage_words, supplies
from service.drafts.signature import order_gate
from tests.contract.samples import dosage


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("with food", True),
        ("café, cafe\u0301", True),
        ("two\nlines\tand a tab", True),
        ("夜に一錠", True),
        ("", False),
        (" \u00a0 ", False),
        ("50\u200b0", False),
        ("\u202e05 gm", False),
        ("5\ufe0f0", False),
        ("a\u034fb", False),
        ("a\u115fb\u1160", False),
        ("\u3164", False),
        ("\uffa0", False),
        ("\u2800", False),
        ("a\ue000b", False),
        ("a\u0378b", False),
        ("a\U000e0101b", False),
        ("a\rb", False),
    ],
)
def test_a_text_is_shown_where_every_character_of_it_is_seen(text: str, shown: bool) -> None:
    """Blank letters, selectors, characters of no shape and those that turn a line are not taken into an order."""
    assert order_gate.is_shown(text) is shown


def test_a_signers_words_do_not_end_their_own_quotes() -> None:
    """Between the quotes of a reason or of a unit there is no other double quote."""
    words = "panic” then 500 mg “x"
    said = (
        dosage_words.text(dosage(asNeededCodeableConcept={"text": words})),
        supplies.text({"quantity": {"value": 30, "unit": words}}),
    )
    for one in said:
        assert "“panic’ then 500 mg ‘x”" in one
        assert (one.count("“"), one.count("”")) == (1, 1)
