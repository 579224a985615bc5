"""An evaluation as one page that needs nothing else: table of targets, plots, groups, and what is not known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recommender.model_card.card import Card, bare, shown
from recommender.training.evaluation import Evaluation, Point, Row, Target
from recommender.training.fairness import Figure, Gap, GroupFigures
from service.model_card_page import sections
from service.model_report import plots
from service.model_report.plots import Line

_HERE = Path(__file__).parent
_WEB = _HERE.parent / "web"
_VERDICTS: Mapping[bool | None, str] = {True: "met", False: "not met", None: ""}
_POLICIES = (("oracle", "the best for each (oracle)", "d"), ("policy", "by the model", "a"),
             ("best_single", "one drug for all", "b"), ("clinicians", "by the clinicians", "c"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot with its title, the key of its marks (style, words), and what it says in words."""

    title: str
    svg: Markup
    keys: Sequence[tuple[str, str]]
    note: str = ""


def page(evaluation: Evaluation) -> str:
    """Return the report as HTML with its style inside; it loads nothing."""
    measured = [row for row in evaluation.rows if row.met is not None]
    return (
        _templates()
        .get_template("report.html")
        .render(
            style=_style(),
            evaluation=evaluation,
            met=sum(row.met is True for row in measured),
            measured=len(measured),
            sections=_sections(evaluation.rows),
            plots=list(_plots(evaluation)),
            groups=[_group(one, evaluation.gaps) for one in evaluation.groups],
            too_small=evaluation.too_small,
            summary=_summary(evaluation),
        )
    )


def card_page(card: Card) -> str:
    """Return the model card as HTML with its style inside."""
    return _templates().get_template("card.html").render(style=_style(), card=card, sections=sections(card))


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader([_HERE / "templates", _WEB / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> Markup:
    # Our own files, never anything of an evaluation.
    sheets = (_WEB / "static" / "house.css", _WEB / "static" / "style.css", _HERE / "report.css")
    return Markup("".join(one.read_text("utf-8") for one in sheets))  # noqa: S704


def _sections(rows: Sequence[Row]) -> list[tuple[str, list[Mapping[str, str]]]]:
    keyed = groupby(rows, key=lambda row: row.target.section)
    return [(section, [_row(row) for row in found]) for section, found in keyed]


def _row(row: Row) -> Mapping[str, str]:
    unit = row.target.unit
    interval = "" if row.low is None or row.high is None else f"{bare(row.low, unit)} to {bare(row.high, unit)}"
    return {
        "label": row.target.label,
        "figure": "–" if row.figure is None else shown(row.figure, unit),
        "interval": interval,
        "target": _target(row.target),
        "verdict": _VERDICTS[row.met],
        "reason": row.reason,
    }


def _target(target: Target) -> str:
    low, high = target.at_least, target.at_most
    if low is not None and high is not None:
        return f"{bare(low, target.unit)} to {shown(high, target.unit)}"
    if low is not None:
        return f"at least {shown(low, target.unit)}"
    return f"at most {shown(high, target.unit)}" if high is not None else ""


def _summary(evaluation: Evaluation) -> list[str]:
    """Return what a clinician may take from the run, as sentences."""
    found = {row.target.key: row.figure for row in evaluation.rows if row.figure is not None}
    lines = list[str]()
    if {"over_clinicians", "gain", "regret_truth"} <= found.keys():
        lines.append(
            f"Among simulated people, choosing by the model gives {_signed(found['over_clinicians'])} of remission"
            f" against what simulated clinicians chose, and {_signed(found['gain'])} against giving everybody the drug"
            f" that is best on average. The best drug for each would give {100 * found['regret_truth']:.1f} points more"
            " again; nothing on record tells which it is."
        )
    if "auc" in found and "auc_oracle" in found:
        lines.append(
            f"It tells who remits from who does not with an AUC of {found['auc']:.2f}; a perfect model would reach"
            f" {found['auc_oracle']:.2f} in these people. Models on real baseline data have reached 0.65 to 0.72."
        )
    return lines


def _signed(figure: float) -> str:
    return f"{100 * figure:+.1f} points".replace("-", "−")


def _plots(evaluation: Evaluation) -> Iterator[Plot]:
    series = evaluation.series
    yield _reliability(series)
    yield _policies(series)
    yield _missing(evaluation)
    yield _aucs(series)
    yield _masks(evaluation)
    yield _coverage(series)
    yield from _groups(evaluation)


def _reliability(series: Mapping[str, Sequence[Point]]) -> Plot:
    found = [Line("usual records", series["reliability"], "a"), Line("new sites", series["reliability_new"], "b")]
    told = "Observed share over predicted chance of remission, in tenths of the patients."
    svg = plots.reliability(found, told)
    return Plot(
        "Does a predicted chance come true?",
        svg,
        [("a", "usual records"), ("b", "sicker, less recorded sites"), ("target", "as predicted")],
        "Each dot is a tenth of the patients, the bar its 95 % interval over seeds.",
    )


def _policies(series: Mapping[str, Sequence[Point]]) -> Plot:
    found = [Line(words, series[f"value {name}"], kind) for name, words, kind in _POLICIES]
    svg = plots.lines(
        found, "SD of patient-by-drug differences, log-odds", "share in remission", "Remission by way of choosing."
    )
    return Plot(
        "What is a choice worth?",
        svg,
        [(kind, words) for _, words, kind in _POLICIES],
        "How much drugs differ from patient to patient is not known; trials allow 0 to about 0.17.",
    )


def _missing(evaluation: Evaluation) -> Plot:
    keys = {"recovered_0": 0.0, "recovered": 0.4, "recovered_55": 0.55, "recovered_67": 0.67}
    rows = {share: evaluation.row(key) for key, share in keys.items()}
    points = [Point(x, row.figure, row.low, row.high) for x, row in rows.items() if row and row.figure is not None]
    aimed = [Point(x, row.target.at_least) for x, row in rows.items() if row and row.target.at_least is not None]
    truth = evaluation.row("recovered_truth")
    other = [Point(0.4, truth.figure, truth.low, truth.high)] if truth and truth.figure is not None else []
    svg = plots.lines(
        [Line("recovered", points, "a"), Line("truth", other, "b")],
        "share of cells missing",
        "share of the gap recovered",
        "Gap recovered by share missing.",
        at=plots.percent,
        target=aimed,
    )
    return Plot(
        "What do missing records cost?",
        svg,
        [("a", "to the best from a complete record"), ("b", "to the best for each"), ("target", "target")],
        "The way from the clinicians' choice. The best from a complete record is the order of the evidence here: no"
        " recorded trait is known to say which drug suits whom.",
    )


def _aucs(series: Mapping[str, Sequence[Point]]) -> Plot:
    points = series["auc_by_outcome"]
    best = {str(p.at).removesuffix(" oracle"): p for p in points if str(p.at).endswith(" oracle")}
    own = [Point(str(p.at).replace("-", " "), p.figure, p.low, p.high) for p in points if str(p.at) in best]
    others = {name.replace("-", " "): point for name, point in best.items()}
    svg = plots.rows(own, "AUC (0.5 is chance)", "AUC by outcome.", shown=plots.plain, others=others, limits=(0.5,))
    return Plot("How well is each outcome told?", svg, [("a", "model"), ("b", "best possible"), ("target", "chance")])


def _masks(evaluation: Evaluation) -> Plot:
    points = [Point(str(p.at).replace("-", " "), p.figure, p.low, p.high) for p in evaluation.series["ece_by_mask"]]
    svg = plots.rows(
        points, "expected calibration error, points", "Calibration error without a group of features.",
        shown=lambda v: f"{100 * v:g}", limits=_limit(evaluation, "ece_masked"), zero=True,
    )  # fmt: skip
    return Plot(
        "What when a whole group of features is missing?",
        svg,
        [("a", "error without the group"), ("target", "at most")],
        "Without age or PHQ-9 it abstains.",
    )


def _coverage(series: Mapping[str, Sequence[Point]]) -> Plot:
    points = [Point(_known(str(p.at)), p.figure, p.low, p.high) for p in series["coverage_by_group"]]
    across = "inside the 90 % band of symptom change"
    svg = plots.rows(points, across, "Coverage by group.", limits=(0.87, 0.9), most=1)
    return Plot("Do the bands hold in every group?", svg, [("a", "covered"), ("target", "90 %, and the least allowed")])


def _known(group: str) -> str:
    """Return a group of sex and age as people say it."""
    sex, _, age = group.replace("not known", "?").partition(" ")
    if sex == "?":
        return "sex and age not known" if age == "?" else f"{age}, sex not known"
    return f"{sex}, age not known" if age == "?" else group


def _limit(evaluation: Evaluation, key: str) -> tuple[float, ...]:
    row = evaluation.row(key)
    return (row.target.at_most,) if row and row.target.at_most is not None else ()


def _groups(evaluation: Evaluation) -> Iterator[Plot]:
    words = {
        "calibration": (
            "Is any group told too high or too low?",
            "observed minus predicted against all others, points",
        ),
        "auc": ("Is any group told less well?", "AUC against all others"),
        "regret": ("Does any group lose more by the choice?", "regret against all others, points"),
    }
    for measure, (title, across) in words.items():
        gaps = [gap for gap in evaluation.gaps if gap.measure == measure]
        points = [Point(f"{gap.dimension.replace('_', ' ')}: {gap.group}", gap.gap, gap.low, gap.high) for gap in gaps]
        limits = tuple(sign * gaps[0].tolerance for sign in (-1, 1)) if gaps else ()
        axis = plots.plain if measure == "auc" else plots.points_of_hundred
        svg = plots.rows(points, across, title, shown=axis, limits=limits, zero=True)
        yield Plot(title, svg, [("a", "gap with 95 % interval"), ("target", "tolerance")])


def _group(one: GroupFigures, gaps: Sequence[Gap]) -> Mapping[str, str]:
    own = [gap for gap in gaps if (gap.dimension, gap.group) == (one.dimension, one.group)]
    flagged = [gap.measure for gap in own if gap.flagged]
    return {
        "name": f"{one.dimension.replace('_', ' ')}: {one.group}",
        "rows": f"{one.rows:,}",
        "auc": _with_error(one.figures.get("auc"), 1, 3),
        "calibration": _with_error(one.figures.get("calibration"), 100, 2),
        "regret": _with_error(one.figures.get("regret"), 100, 2),
        "flags": ", ".join(flagged),
    }


def _with_error(figure: Figure | None, scale: float, digits: int) -> str:
    return "–" if figure is None else f"{scale * figure.value:.{digits}f} ± {1.96 * scale * figure.error:.{digits}f}"
