"""``/model-card``: what the model is and is not, with every source attribute; a page, or JSON by ``Accept``."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources.abc import Traversable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from fastapi import APIRouter, Request, Response

from recommender.cohort.evidence import PATIENT_FEATURES
from recommender.model_card.card import Attribute, Card
from recommender.model_card.card import card as filled
from recommender.model_card.kept import kept
from recommender.training.site import record
from service.web import rendering

if TYPE_CHECKING:
    from service.bootstrap import Services

router = APIRouter()
NOT_FOR = (
    "It drafts for adults with major depression only.",
    "It makes no order: a practitioner signs, or nothing happens.",
    "It gives no suicide-risk score.",
    "It is trained on a cohort simulated from published trials, not on patients.",
)
_KEPT = ("statement", "limits", "created", "patients", "features", "ranges", "figures", "evidence", "schema")
_KEY = re.compile(r"\b(?:[a-z0-9]+_[a-z0-9_]+|bmi)\b")
Section = tuple[str, str, Sequence[Attribute]]


@router.get("/model-card", summary="What the model is, and is not")
async def model_card(request: Request) -> Response:
    """Return the model card: JSON when ``Accept`` asks for it, else a page."""
    services: Services = request.app.state.services
    card, attributes = _card(services)
    accepted = request.headers.get("accept", "")
    if "json" in accepted and "text/html" not in accepted:
        told = msgspec.json.encode({**card, "attributes": attributes.attributes})
        return Response(told, media_type="application/json", headers={"Vary": "Accept"})
    response = rendering.page(
        request,
        None,
        "model_card.html",
        card=card,
        tables=tables(card.get("figures", {})),
        reads=reads(card.get("features", ())),
        ranges=[(named(name), *span) for name, span in card.get("ranges", {}).items()],
        limits=[_words_of_keys(line) for line in card.get("limits", ())],
        sections=sections(attributes),
    )
    response.headers["Vary"] = "Accept"
    return response


def _card(services: "Services") -> tuple[Mapping[str, Any], Card]:
    model = services.model
    about: dict[str, Any] = {"knowledge": services.knowledge.version, "not_for": NOT_FOR}
    if model is None:
        return about | {"model": "switched off"}, filled(None, services.knowledge, None)
    attributes = filled(model.manifest, services.knowledge, kept(model.manifest, _place(services, model.version)))
    manifest = msgspec.to_builtins(model.manifest)
    found = about | {"model": model.version, "evaluated": attributes.evaluated}
    return found | {name: manifest[name] for name in _KEPT}, attributes


def _place(services: "Services", version: str) -> Traversable | None:
    """Return the folder of the model in use, None for the shipped one."""
    store = services.settings.model.folder
    return None if store is None else _in_force(store, version)


@cache
def _in_force(store: Path, version: str) -> Traversable:
    """Return where the model of this version lies, once: finding it reads and checks it whole."""
    return record.in_force(store)[1]


class Figures(NamedTuple):
    """One table of figures: heading, column heads, rows of an outcome with its cells, and whether it comes first."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    first: bool


def tables(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[Figures]:
    """Return the figures of each cohort; outcomes with other measures have a table of their own."""
    found = list[Figures]()
    for cohort, outcomes in figures.items():
        for names, group in groupby(outcomes.items(), key=lambda row: tuple(row[1])):
            rows = [(_words(outcome), [_cell(*one) for one in measured.items()]) for outcome, measured in group]
            usual = "auc" in names
            heading = _words(cohort) if usual else f"{_words(cohort)}: {rows[0][0]}"
            columns = [_NAMES.get(name) or name.replace("_", " ") for name in names]
            found.append(Figures(heading.capitalize(), columns, rows, usual and cohort in _FIRST))
    return found


_FIRST = ("held-out", "shifted-site")
_NAMES = {
    "auc": "AUC",
    "oracle_auc": "best possible AUC",
    "ece": "calibration error",
    "calibration_in_the_large": "observed minus predicted",
    "slope": "calibration slope",
    "rate": "share with it",
}
_READ = {
    "phq9_total": "PHQ-9",
    "gad7_total": "GAD-7",
    "antidepressant_trials": "antidepressants tried before",
    "bmi": "body mass index",
    "ssri": "SSRI",
    "snri": "SNRI",
    "tca": "tricyclic",
    "cyp2c19_guided": "whether CYP2C19 guides its dose",
    "cyp2d6_guided": "whether CYP2D6 guides its dose",
    "log_exposure": "its level by genotype (logarithm)",
}


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ")


def _words_of_keys(line: str) -> str:
    """Return a sentence with features as people write them."""
    return _KEY.sub(lambda found: named(found[0]), line)


def _cell(name: str, value: float) -> str:
    text = f"{value:,.0f}" if name == "patients" else f"{value:.0f}" if name.startswith("width") else f"{value:.3f}"
    return text.replace("-", "−")


def reads(features: Sequence[str]) -> tuple[str, str]:
    """Return in words what the model reads of the patient, and of the drug."""
    terms = [name.removeprefix("log_or_") for name in features if name.startswith("log_or_")]
    others = [name for name in features if name not in PATIENT_FEATURES and not name.startswith("log_or_")]
    drug = f"log-odds ratios on {', '.join(map(_words, terms))}; {', '.join(map(named, others))}"
    return ", ".join(named(name) for name in features if name in PATIENT_FEATURES), drug


def named(feature: str) -> str:
    """Return a feature of the model as people write it."""
    return _READ.get(feature) or _words(feature)


def sections(card: Card) -> list[Section]:
    """Return kind, heading and attributes of each group of the card, in order."""
    keyed = groupby(card.attributes, key=lambda one: (one.kind, one.group))
    return [(kind, group, list(found)) for (kind, group), found in keyed]
