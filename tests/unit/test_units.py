"""Units: the table of what is read, and the names of what is not."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters import terminology
from fhir_adapters.dialect.coding import UCUM
from fhir_adapters.dialect.profile import load
from fhir_adapters.measuring import units, value_text
from fhir_adapters.measuring.unit_names import plain
from fhir_adapters.measuring.units import UnitRefusal
from fhir_adapters.reading import wire

BASE = load("base-r4")

# analyte, value, unit text, UCUM code, in the canonical unit
READ = [
    ("weight", 70.0, None, "kg", 70.0),
    ("weight", 154.0, "lbs", "[lb_av]", 69.853),
    ("weight", 154.0, "LB", None, 69.853),
    ("weight", 70.0, "KILOGRAMS", None, 70.0),
    ("height", 70.0, "in", None, 177.8),
    ("height", 1.78, "m", "m", 178.0),
    ("systolic_bp", 120.0, "mmHg", None, 120.0),
    ("systolic_bp", 120.0, "mm Hg", "mm[Hg]", 120.0),
    ("systolic_bp", 120.0, "mmHg", "mmHg", 120.0),
    ("systolic_bp", 16.0, None, "kPa", 120.01),
    ("heart_rate", 72.0, "BEATS PER MINUTE", None, 72.0),
    ("heart_rate", 72.0, None, "{beats}/min", 72.0),
    ("sodium", 139.0, "mEq/L", None, 139.0),
    ("sodium", 139.0, "mmol/l", "mmol/l", 139.0),
    ("creatinine", 88.4, "umol/L", "umol/L", 1.0),
    ("creatinine", 88.4, "µmol/L", None, 1.0),
    ("glucose", 5.5, "mmol/L", None, 99.088),
    ("hba1c", 48.0, "mmol/mol", None, 6.543),
    ("hba1c", 6.5, "percent", None, 6.5),
    ("lithium_level", 0.8, "mEq/L", None, 0.8),
    ("lithium_level", 0.5, "mg/dL", None, 0.72),
    ("alt", 30.0, "IU/L", None, 30.0),
    ("alt", 30.0, None, "[IU]/L", 30.0),
    ("platelets", 250.0, "x10e3/uL", None, 250.0),
    ("platelets", 250.0, "K/µL", None, 250.0),
    ("anc", 1500.0, "cells/uL", None, 1.5),
    ("anc", 1.5, "x10*9/L", None, 1.5),
    ("tsh", 2.1, "uIU/mL", None, 2.1),
    ("tsh", 2.1, "mIU/L", None, 2.1),
    ("qtc", 0.44, "s", "s", 440.0),
    ("egfr", 61.0, "mL/min/1.73", None, 61.0),
    ("egfr", 61.0, "mL/min/1.73 m²", None, 61.0),
    ("egfr", 61.0, "mL/min", "mL/min/{1.73_m2}", 61.0),
    ("inr", 1.1, None, "1", 1.1),
    ("inr", 1.1, "ratio", None, 1.1),
    # the same unit as it is written in the world
    ("weight", 11.0, "stone", None, 69.853),
    ("weight", 2500.0, "oz", "[oz_av]", 70.874),
    ("height", 5.9, None, "[ft_i]", 179.83),
    ("height", 70.0, "inches", None, 177.8),
    ("body_temperature", 98.6, None, "[degF]", 37.0),
    ("body_temperature", 98.6, "°F", None, 37.0),
    ("body_temperature", 98.6, "Deg F", None, 37.0),
    ("body_temperature", 37.0, "C", None, 37.0),
    ("bmi", 24.0, "kg/m²", None, 24.0),
    ("bmi", 24.0, "kg/(m^2)", None, 24.0),
    ("heart_rate", 72.0, "1/min", None, 72.0),
    ("respiratory_rate", 14.0, "breaths per min", None, 14.0),
    ("systolic_bp", 120.0, "millimeters of mercury", None, 120.0),
    ("systolic_bp", 120.0, "mm(Hg)", None, 120.0),
    ("spo2", 97.0, "% sat", None, 97.0),
    ("wbc", 6.4, "×10⁹/L", None, 6.4),
    ("wbc", 6.4, "G/L", None, 6.4),
    ("wbc", 6.4, "thou/mcL", None, 6.4),
    ("wbc", 6.4, "10 3/uL", None, 6.4),
    ("wbc", 6400.0, "/cu mm", None, 6.4),
    ("wbc", 6.4, "10*3/mm^3", None, 6.4),
    ("platelets", 250.0, "Thousand/uL", None, 250.0),
    ("platelets", 250.0, "X10E3/uL", None, 250.0),
    ("hemoglobin", 13.2, "gm/dL", None, 13.2),
    ("hemoglobin", 13.2, "g%", None, 13.2),
    ("hemoglobin", 8.0, None, "mmol/L", 12.89),
    ("glucose", 100.0, "mg%", None, 100.0),
    ("glucose", 100.0, "mg/100 mL", None, 100.0),
    ("glucose", 100.0, "MG/DL", None, 100.0),
    ("glucose", 100.0, "mg/dL (fasting)", None, 100.0),
    ("glucose", 100.0, "milligrams per deciliter", None, 100.0),
    ("creatinine", 88.4, "mcmol/L", None, 1.0),
    ("egfr", 61.0, "mL/min/1.73 sq. m", None, 61.0),
    ("egfr", 61.0, "ml/min/1,73m2", None, 61.0),
    ("egfr", 61.0, "mL/min/BSA", None, 61.0),
    ("tsh", 2.1, "mcIU/mL", None, 2.1),
    ("tsh", 2.1, "µU/mL", None, 2.1),
    ("tsh", 2.1, "mU/L", "mU/L", 2.1),
    ("alt", 30.0, "Units/L", None, 30.0),
    ("alt", 0.5, None, "ukat/L", 30.0),
    ("potassium", 4.1, "milliequivalents per liter", None, 4.1),
    ("calcium", 5.0, "mEq/L", None, 10.02),
    ("magnesium", 1.6, "mEq/L", None, 0.8),
    ("hba1c", 48.0, "mmol/mol", "mmol/mol", 6.543),
    ("hba1c", 6.5, "% of total Hgb", None, 6.5),
    ("lithium_level", 5.6, "mg/L", None, 0.807),
    ("lithium_level", 5.6, None, "ug/mL", 0.807),
    ("lithium_level", 800.0, None, "umol/L", 0.8),
    ("clozapine_level", 1071.0, "nmol/L", None, 350.0),
    ("clozapine_level", 1.071, "umol/L", None, 350.0),
    ("clozapine_level", 350.0, "µg/L", None, 350.0),
    ("clozapine_level", 0.35, "mg/L", None, 350.0),
    ("valproate_level", 500.0, "µmol/L", None, 72.1),
    ("valproate_level", 72.1, "mcg/mL", None, 72.1),
    ("t4_free", 15.4, "pmol/L", None, 1.196),
    ("t4_free", 12.0, "pg/mL", None, 1.2),
    ("prolactin", 18.0, "ug/L", None, 18.0),
    ("bilirubin_total", 17.1, "umol/L", None, 1.0),
    ("ammonia", 60.0, "mcg/dL", None, 35.2),
    ("ldl", 3.0, "mmol/L", None, 116.0),
    ("hdl", 1.2, "mmol/L", None, 46.4),
    ("triglycerides", 1.7, "mmol/L", None, 150.6),
    ("alcohol_drinks_per_day", 14.0, "drinks/week", None, 2.0),
    ("alcohol_drinks_per_day", 2.0, "# per day", None, 2.0),
]

REFUSED = [
    ("sodium", 139.0, None, None, "unit-missing"),
    ("sodium", 139.0, " ", "", "unit-missing"),
    ("sodium", 139.0, "mg/dL", None, "unit-unknown"),
    ("sodium", 139.0, "mmol", "mmol", "unit-unknown"),
    ("creatinine", 1.0, "mg/dL", "mg", "unit-unknown"),
    ("weight", 70.0, "#", None, "unit-unknown"),
    ("weight", 70.0, "stone", None, "value-implausible"),
    ("wbc", 6.4, "/HPF", None, "unit-unknown"),
    ("wbc", 6.4, "%", None, "unit-unknown"),
    ("wbc", 6.4, "10*6/uL", None, "unit-unknown"),
    ("calcium", 2.4, "mEq", None, "unit-unknown"),
    ("glucose", 5.5, "mEq/L", None, "unit-unknown"),
    ("alt", 30.0, "mU/L", None, "unit-unknown"),
    ("prolactin", 300.0, "mIU/L", None, "unit-not-convertible"),
    ("prolactin", 300.0, None, "m[IU]/L", "unit-not-convertible"),
    ("alcohol_drinks_per_day", 2.0, "d", "d", "unit-unknown"),
    ("heart_rate", 72.0, "mmHg", None, "unit-unknown"),
    ("glucose", 100.0, "mmol/L", "mg/dL", "unit-conflicting"),
    ("weight", 70.0, "lbs", "kg", "unit-conflicting"),
    ("sodium", 1390.0, "mmol/L", None, "value-implausible"),
    ("creatinine", 88.0, "mg/dL", "mg/dL", "value-implausible"),
    ("height", 1.78, "cm", "cm", "value-implausible"),
    ("body_temperature", 98.6, None, "Cel", "value-implausible"),
    ("smoking", 1.0, "kg", "kg", "analyte-unknown"),
    ("pregnancy_status", 1.0, "1", "1", "analyte-unknown"),
]

# https://ciaaw.org/atomic-weights.htm: conventional weights
WEIGHTS = {
    "H": 1.008,
    "C": 12.011,
    "N": 14.007,
    "O": 15.999,
    "Cl": 35.45,
    "I": 126.904,
    "Li": 6.94,
    "Mg": 24.305,
    "Ca": 40.078,
}
# analyte → formula of what the laboratory measures; triglycerides are counted as triolein
FORMULAS = {
    "ammonia": "N H3",
    "bilirubin_total": "C33 H36 N4 O6",
    "calcium": "Ca",
    "cholesterol_total": "C27 H46 O",
    "clozapine_level": "C18 H19 Cl N4",
    "creatinine": "C4 H7 N3 O",
    "glucose": "C6 H12 O6",
    "glucose_fasting": "C6 H12 O6",
    "hdl": "C27 H46 O",
    "ldl": "C27 H46 O",
    "lithium_level": "Li",
    "magnesium": "Mg",
    "t4_free": "C15 H11 I4 N O4",
    "triglycerides": "C57 H104 O6",
    "valproate_level": "C8 H16 O2",
}
SCALE = {"m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "": 1.0}
VOLUME = {"L": 1.0, "dL": 0.1, "mL": 1e-3}


def _quantity(text: str | None, code: str | None) -> wire.Quantity:
    return wire.Quantity(unit=text, code=code, system=UCUM if code else None)


@pytest.mark.parametrize(("key", "value", "text", "code", "canonical"), READ)
def test_read(key: str, value: float, text: str | None, code: str | None, canonical: float) -> None:
    """A quantity in a known unit comes out in the canonical one."""
    assert units.convert(value, _quantity(text, code), key, BASE) == pytest.approx(canonical, rel=1e-3)


@pytest.mark.parametrize(("key", "value", "text", "code", "reason"), REFUSED)
def test_refused(key: str, value: float, text: str | None, code: str | None, reason: str) -> None:
    """A quantity whose unit is not known, missing or contradicted is a named refusal, never a number."""
    assert units.convert(value, _quantity(text, code), key, BASE) == UnitRefusal(reason)


def test_code_without_a_system_counts_as_text() -> None:
    """A unit code without a system is read like a text, one of another system is not read."""
    assert units.convert(70, wire.Quantity(code="kg"), "weight", BASE) == 70
    foreign = wire.Quantity(code="kg", system="http://example.org/units")
    assert units.convert(70, foreign, "weight", BASE) == UnitRefusal("unit-missing")


def test_trailing_slash_of_ucum() -> None:
    """The UCUM system with a trailing slash is UCUM."""
    quantity = wire.Quantity(unit="mmHg", code="mm[Hg]", system="http://unitsofmeasure.org/")
    assert units.convert(120, quantity, "systolic_bp", BASE) == 120


def test_a_profile_adds_units_for_one_analyte_only() -> None:
    """A unit text of one analyte's table is unknown for any other analyte, and without the profile."""
    own = dataclasses.replace(BASE, units={**BASE.units, "spo2": {"vh": "%"}})
    quantity = wire.Quantity(unit="VH")
    assert units.convert(97, quantity, "spo2", own) == 97
    assert units.convert(97, quantity, "spo2", BASE) == UnitRefusal("unit-unknown")
    assert units.convert(9.7, quantity, "hba1c", own) == UnitRefusal("unit-unknown")


def test_what_a_profile_says_of_a_text_counts_before_the_general_rules() -> None:
    """A site that writes mg/L for millimoles of lithium is read as it says."""
    own = dataclasses.replace(BASE, units={**BASE.units, "lithium_level": {"mg/l": "mmol/L"}})
    assert units.convert(0.8, wire.Quantity(unit="MG/L"), "lithium_level", own) == 0.8


@pytest.mark.parametrize("key", FORMULAS)
def test_factors_between_mass_and_substance_are_the_molar_mass(key: str) -> None:
    """Every factor between grams and moles of an analyte follows from its formula, within one in a thousand."""
    mass = sum(WEIGHTS[name] * int(count or 1) for name, count in re.findall(r"([A-Z][a-z]?)(\d*)", FORMULAS[key]))
    analyte = terminology.load().analytes[key]
    assert analyte.unit is not None
    compared = 0
    for unit, (factor, offset) in analyte.factors.items():
        if ("mol" in unit) != ("mol" in analyte.unit) and "eq" not in unit:
            assert offset == 0
            assert factor == pytest.approx(_grams(unit, mass) / _grams(analyte.unit, mass), rel=1e-3), unit
            compared += 1
    assert compared


def _grams(unit: str, mass: float) -> float:
    """Grams a litre of one of a unit such as umol/L or ng/dL."""
    amount, volume = unit.split("/")
    prefix, base = (amount[:-3], "mol") if amount.endswith("mol") else (amount[:-1], "g")
    return SCALE[prefix] * (mass if base == "mol" else 1.0) / VOLUME[volume]


def test_no_two_units_of_one_analyte_are_written_alike() -> None:
    """Units of one analyte that come to the same plain form have the same factor."""
    for analyte in terminology.load().analytes.values():
        forms: dict[str, tuple[float, float]] = {}
        for unit, conversion in analyte.factors.items():
            assert forms.setdefault(plain(unit), conversion) == conversion, (analyte.key, unit)
        assert not {plain(unit) for unit in analyte.unconvertible} & set(forms), analyte.key


def test_hba1c_follows_the_master_equation() -> None:
    """NGSP percent is 0.09148 times IFCC mmol/mol plus 2.152 (http://www.ngsp.org/ifcc.asp)."""
    assert terminology.load().analytes["hba1c"].factors["mmol/mol"] == (0.09148, 2.152)


@given(st.text(max_size=20))
def test_a_unit_text_written_twice_is_the_same_unit(text: str) -> None:
    """Bringing any text to its plain form never fails, and blanks and capitals around it change nothing."""
    assert plain(f"  {text} ") == plain(text)


TEXTS: dict[str, tuple[float, str | None, str | None] | None] = {
    "7.2 mmol/L": (7.2, "mmol/L", None),
    "7,2 mmol/l": (7.2, "mmol/l", None),
    "<0.1": (0.1, None, "<"),
    "< 0.20 mmol/L": (0.2, "mmol/L", "<"),
    "≥ 60 mL/min/1.73m2": (60, "mL/min/1.73m2", ">="),
    " 140 ": (140, None, None),
    "97%": (97, "%", None),
    "72 /min": (72, "/min", None),
    "251 x10E3/uL": (251, "x10E3/uL", None),
    "6.4 10*9/L": (6.4, "10*9/L", None),
    "5' 10\"": (70, "in", None),
    "5 ft 10 in": (70, "in", None),
    "5'10.5": (70.5, "in", None),
    "11 st 4 lb": (158, "lb", None),
    "8 lbs 3 oz": (131, "oz", None),
    "5' 13\"": None,
    "5.5 ft 3 in": None,
    "5 ft 10 lb": None,
    "1,200 mg/dL": None,
    "120/80 mmHg": None,
    "7.2 - 7.4 mmol/L": None,
    "7.2 mmol/L; repeat": None,
    "about 7": None,
    "-3 mmol/L": None,
    "1e3": None,
    "Negative": None,
    "": None,
    "７": None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_an_amount_or_nothing(text: str) -> None:
    """A text is read as a number only where it is a number, a unit and a bound, and nothing else."""
    assert value_text.amount(text) == TEXTS[text]


@given(st.text(max_size=80))
def test_no_text_of_a_value_crashes(text: str) -> None:
    """Any text is an amount of at least zero, or none."""
    found = value_text.amount(text)
    assert found is None or found.value >= 0
