"""How the page names what it stands on: sources instead of keys, units as people write them, drugs with a reason."""

from typing import Any

import pytest

from recommender.catalog.knowledge import load
from recommender.catalog.rows import Source
from service.web import basis, boxed_words, others, points

KNOWN = {
    "L-A": Source("L-A", "https://a.example", "drug a US label dosing; read in part"),
    "L-B": Source("L-B", "https://b.example", "section 17 (bleeding: more)"),
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "above 20 mg by rule SR035 (source: L-A+L-B); change it",
            "by a safety rule (source: drug a US label dosing, and 1",
        ),
        ("The dose is no amount (source: L-B, not verified); change", "(source: section 17, not verified)"),
        ("Above the start. Source: L-A.", "Source: drug a US label dosing."),
        ("Above the start. Source: X-Y.", "Source: a rule of this service."),
        ("No source: the chart says so.", "No source: the chart says so."),
    ],
)
def test_a_refusal_names_its_source_and_no_key(text: str, said: str) -> None:
    """What a rule stands on is said by name; a key of a row or of a rule stands nowhere."""
    found = basis.in_words(KNOWN, text)
    assert said in found
    assert not any(key in found for key in ("L-A", "L-B", "SR035", "X-Y"))


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("eGFR 66 mL/min/{1.73_m2}", "eGFR 66 mL/min/1.73 m²"),
        ("systolic blood pressure 148 mm[Hg]", "Systolic blood pressure 148 mmHg"),
        ("body mass index 34 kg/m2", "Body mass index 34 kg/m²"),
    ],
)
def test_a_chart_fact_has_its_unit_as_people_write_it(kept: str, shown: str) -> None:
    """No UCUM brackets stand on the page."""
    reason = {"severity": "caution", "message": "m", "source": "", "verified": True, "facts": ["Observation/1"]}
    found = points.point(reason, {"cited": {"Observation/1": {"what": kept}}})
    assert [cite.what for cite in found.cites] == [shown]


def test_every_boxed_warning_of_the_formulary_is_said_in_words() -> None:
    """A new key of the formulary needs its words here; none is shown as a key."""
    keys = {key for drug in load().drugs.values() for key in drug.boxed_warnings}
    assert keys <= boxed_words.WORDS.keys()
    assert "_" not in boxed_words.said(sorted(keys))


def _other(name: str, verdict: str, band: int | None, message: str | None) -> dict[str, Any]:
    reason = {"severity": "warning", "message": message, "source": "L-A", "verified": True}
    return {"ingredient": name, "verdict": verdict, "band": band, "reason": reason if message else None}


def test_other_drugs_stand_under_what_keeps_them_from_a_draft() -> None:
    """Each verdict and band has its group; what is said of several drugs is said once, and nothing is left out."""
    rows = [
        _other("a", "excluded", None, "ruled out"),
        _other("b", "not-draftable", None, "controlled"),
        _other("c", "abstained", None, "controlled"),
        _other("d", "eligible", 1, "bleeding"),
        _other("e", "eligible", 1, "bleeding"),
        _other("f_g", "eligible", 3, None),
        _other("h", "eligible", None, "later"),
    ]
    groups = others.not_drafted([{"band": 1, "not_drafted": rows}, {"band": 2}])
    assert [(one.head, [other.drugs for other in one.others]) for one in groups] == [
        ("Ruled out by this chart", ["a"]),
        ("Cannot be drafted here", ["b, c"]),
        ("Level with a drafted option", ["d, e"]),
        ("Behind the drafted options", ["f g"]),
        ("Not among the first options at this step", ["h"]),
    ]
    assert sum(one.count for one in groups) == len(rows)
    assert groups[0].others[0].point.severity == "none"
    assert groups[2].others[0].point.severity == "warning"
    assert groups[3].others[0].point.message == "nothing more against it on record"
