"""Documentation is compared with code: errors, settings, commands, routes, the words of the tree."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from service.cli import app
from service.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGES = ("fhir_adapters", "recommender", "service", "conformance")


def _sources() -> str:
    return "\n".join(p.read_text() for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py")))


def _codes(text: str) -> set[str]:
    return set(re.findall(r"\bU-[A-Z0-9]+(?:-[A-Z0-9]+)*\b", text))


def test_every_error_code_is_documented_and_no_other() -> None:
    """docs/errors.md lists exactly the codes that the code can raise."""
    documented = _codes((ROOT / "docs/errors.md").read_text())
    assert documented == _codes(_sources())


def _keys(model: type, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        inner = next(
            (a for a in (field.annotation, *getattr(field.annotation, "__args__", ())) if hasattr(a, "model_fields")),
            None,
        )
        found += _keys(inner, f"{prefix}{name}.") if inner else [f"{prefix}{name}"]
    return found


def test_every_setting_is_documented() -> None:
    """docs/configuration.md names every key of the configuration."""
    page = (ROOT / "docs/configuration.md").read_text()
    missing = [key for key in _keys(Settings) if key != "base" and f"`{key}`" not in page]
    assert missing == []


def test_every_command_has_an_example_in_its_help() -> None:
    """Each command's help says what it does with an example."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    flat = [c for top in commands.values() for c in (getattr(top, "commands", None) or {"": top}).values()]
    assert [c.name for c in flat if "Example:" not in (c.help or "")] == []


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT) for p in ROOT.glob("docs/*.md")))
def test_paths_named_in_the_docs_exist(page: Path) -> None:
    """Every file of the packages that a page names is there."""
    named = re.findall(
        r"`((?:fhir_adapters|recommender|service|conformance|tests)/[\w./-]*)`", (ROOT / page).read_text()
    )
    assert [n for n in named if not (ROOT / n).exists()] == []
