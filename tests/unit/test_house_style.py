"""One style for every page and printed file: the same sheet, and no colour beside it."""

import re
from pathlib import Path

import pytest

from conformance.report import html
from service import model_report, web
from service.onboarding import page as onboarding
from service.settings import Ehr
from tests.unit.test_reports import ALL

WEB, REPORT, EVALUATION = (Path(str(one.__file__)).parent for one in (web, html, model_report))
HOUSE = (WEB / "static" / "house.css").read_text("utf-8")
OTHERS = (
    WEB / "static" / "style.css",
    REPORT / "templates" / "report.css",
    EVALUATION / "report.css",
    Path(str(onboarding.__file__)).parent / "templates" / "sheet.html",
)


def test_the_sheet_of_the_conformance_report_is_that_of_the_pages() -> None:
    """Conformance may not import the service, so each has a copy: they are the same to the byte."""
    assert (REPORT / "templates" / "house.css").read_text("utf-8") == HOUSE


@pytest.mark.parametrize("sheet", OTHERS, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_sheet_has_a_colour_of_its_own(sheet: Path) -> None:
    """Every colour is one of the house, by its name; a name that the house lacks is defined in the sheet itself."""
    text = sheet.read_text("utf-8")
    assert not re.search(r":[^;{}]*(#[0-9a-f]{3,8}\b|\brgba?\(|\bhsla?\(|\b(white|black|gr[ae]y|red|green)\b)", text)
    defined = set(re.findall(r"(--[\w-]+):", HOUSE + text))
    assert set(re.findall(r"var\((--[\w-]+)", text)) <= defined


def test_printed_files_carry_the_sheet_inside() -> None:
    """The report and the onboarding page load nothing, and look as the pages do."""
    ehr = Ehr(id="north", name="North", fhir_base="https://ehr.north.example/fhir")
    for file in (html.document(ALL, ()), onboarding.render(ehr, "t", (), (), ())):
        assert HOUSE.strip() in file
        assert 'class="document"' in file


def test_dark_and_light_have_the_same_names() -> None:
    """Each colour of the light page has a dark one, so that none is read on the wrong ground."""
    light, dark = re.findall(r"color-scheme: (?:light|dark);(.*?)}", HOUSE, re.DOTALL)[:2]
    colours = re.compile(r"(--[\w-]+): #")
    assert set(colours.findall(light)) == set(colours.findall(dark))
