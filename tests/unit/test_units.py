"""Units: the table of what is read, and the names of what is not."""

import pytest

from fhir_adapters import terminology, units, wire
from fhir_adapters.coding import UCUM
from fhir_adapters.profile import load
from fhir_adapters.units import UnitRefusal

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
]

REFUSED = [
    ("sodium", 139.0, None, None, "unit-missing"),
    ("sodium", 139.0, " ", "", "unit-missing"),
    ("sodium", 139.0, "mg/dL", None, "unit-unknown"),
    ("sodium", 139.0, "mmol", "mmol", "unit-unknown"),
    ("creatinine", 1.0, "mg/dL", "mg", "unit-unknown"),
    ("weight", 70.0, "stone", None, "unit-unknown"),
    ("heart_rate", 72.0, "mmHg", None, "unit-unknown"),
    ("glucose", 100.0, "mmol/L", "mg/dL", "unit-conflicting"),
    ("weight", 70.0, "lbs", "kg", "unit-conflicting"),
    ("sodium", 1390.0, "mmol/L", None, "value-implausible"),
    ("creatinine", 88.0, "mg/dL", "mg/dL", "value-implausible"),
    ("height", 1.78, "cm", "cm", "value-implausible"),
    ("body_temperature", 98.6, None, "[degF]", "unit-unknown"),
    ("smoking", 1.0, "kg", "kg", "analyte-unknown"),
    ("pregnancy_status", 1.0, "1", "1", "analyte-unknown"),
]

# grams a mole, https://ciaaw.org/atomic-weights.htm summed over each formula
MOLAR_MASS = {
    ("creatinine", "umol/L"): 113.12e-6 * 1e3 / 10,
    ("bilirubin_total", "umol/L"): 584.66e-6 * 1e3 / 10,
    ("calcium", "mmol/L"): 40.078 / 10,
    ("glucose", "mmol/L"): 180.16 / 10,
    ("cholesterol_total", "mmol/L"): 386.65 / 10,
    ("lithium_level", "mg/dL"): 10 / 6.94,
    ("magnesium", "mg/dL"): 10 / 24.305,
    ("valproate_level", "umol/L"): 144.21e-3,
    ("ammonia", "ug/dL"): 10 / 17.031,
    ("t4_free", "pmol/L"): 776.87e-12 * 1e9 / 10,
}


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
    """A unit text of one analyte's table is unknown for any other analyte."""
    us_core = load("us-core-r4")
    quantity = wire.Quantity(unit="%O2")
    assert units.convert(97, quantity, "spo2", us_core) == 97
    assert units.convert(97, quantity, "spo2", BASE) == UnitRefusal("unit-unknown")
    assert units.convert(9.7, quantity, "hba1c", us_core) == UnitRefusal("unit-unknown")


@pytest.mark.parametrize(("key", "unit"), MOLAR_MASS)
def test_factors_agree_with_molar_masses(key: str, unit: str) -> None:
    """Each conversion between mass and substance is that of the molar mass."""
    factor, offset = terminology.load().analytes[key].factors[unit]
    assert offset == 0
    assert factor == pytest.approx(MOLAR_MASS[key, unit], rel=2e-3)
