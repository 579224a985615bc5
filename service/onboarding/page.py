"""The onboarding facts as one page in a file: no script, no network, readable in light, dark and on paper."""

import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from service.onboarding.samples import Sample
from service.onboarding.sheet import Section
from service.settings import Ehr
from service.web import rendering

_HERE = Path(__file__).parent
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    ehr: Ehr, title: str, warnings: Sequence[str], sections: Sequence[Section], samples: Sequence[Sample]
) -> str:
    """Return the page."""
    return _templates.get_template("sheet.html").render(
        ehr=ehr,
        title=title,
        warnings=warnings,
        sections=sections,
        samples=[(one.title, one.body, json.dumps(one.body, indent=2, ensure_ascii=False)) for one in samples],
        style=Markup(rendering.house_style()),  # noqa: S704 - our own file
    )
