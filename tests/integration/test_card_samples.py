"""Cards as a reader sees them: fifteen charts in every language, compared with the files that a reviewer reads."""

import re

from service.cds import language
from service.cds.lint import check_card
from tests.fixtures import card_samples


def test_the_samples_are_what_the_service_answers() -> None:
    """Each file of tests/fixtures/cards is the card of today; ``python -m tests.fixtures.card_samples`` writes them."""
    written = {path.name: path.read_text("utf-8") for path in card_samples.FOLDER.glob("*.md")}
    assert written == card_samples.rendered()


def test_every_sample_is_clean_and_says_its_figures_alike() -> None:
    """A card passes the linter of its language, and no language has another dose, figure or suggestion than English."""
    english: dict[str, tuple[int, list[str]]] = {}
    for sample, spoken, card, _ in card_samples.cards():
        if card is None:
            assert sample.name in ("01-nothing-to-say", "11-overridden-before", "13-shadow", "15-stopped-site")
            continue
        assert check_card(card, card_samples.PUBLIC, spoken) == ()
        labels = " ".join(one["label"] for one in card.get("suggestions", []))
        figures = (len(card.get("suggestions", [])), re.findall(r"\d+(?:[.,]\d+)?", labels.replace(",", ".")))
        assert english.setdefault(sample.name, figures) == figures
    assert {f"## {card_samples.NAMES[spoken]}" for spoken in language.LANGUAGES} <= set(
        (card_samples.FOLDER / "02-options.md").read_text("utf-8").splitlines()
    )
