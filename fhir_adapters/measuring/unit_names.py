"""How units are written: UCUM, its common misspellings and plain words, brought to one form for comparison.

Only within one analyte: there ``c`` is Celsius and ``st`` is stone, because nothing else that it may come in is
written so. A form that no unit of the analyte has stays unknown; no unit is ever guessed from a number.
"""

import re

from fhir_adapters import remember

_LONGEST = 64  # characters of a unit that is remembered
# UCUM §12: text in braces has no meaning for the unit; alone it stands for the unity.
_BRACES = re.compile(r"\{[^}]*\}")
_NOTE = re.compile(r"(?<=.)\((?:[a-z]{4,})\)$")  # "mg/dl(calc)", "kg(measured)"; never "mm(hg)" or "10(3)"
_PLAIN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹µμ×∙·∕⁄％℃℉", "0123456789uux..//%CF")
_POWER = re.compile(r"^(?:[x*]?10(?:\^|\*{1,2}|e\+?|exp|\(|)|e)0?(3|6|9|12)\)?(?=/|$)")
_SURFACE = re.compile(r"/(?:bsa|1[.,]73.*)$")
_SQUARE = re.compile(r"\(?m(?:\^|\*{1,2})?2\)?|sq\.?m|msq|squaremet(?:er|re)s?")
_MICRO = re.compile(r"(?<![a-z])mc(?=g|mol|l$|l/|iu|u$|u/|kat)")
_WORDS = {
    word: form
    for form, words in {
        "": "beat beats breath breaths resp count counts step steps drink drinks cell cells # score points times "
        "ratio inr a.u. standarddrinks standarddrink",
        "%": "percent pct %hb %oftotalhgb %oftotalhb %hba1c %o2 %sat",
        "/min": "bpm brpm",
        "10*3": "k thou thousand thousands thous tho th ths",
        "10*9": "bil billion billions giga gpt",
        "[degf]": "degf degreesf fahrenheit degfahrenheit degreefahrenheit degreesfahrenheit f °f",
        "[ft_i]": "ft feet foot '",
        "[in_i]": 'in inch inches ins in_i [in_us] in. "',
        "[iu]": "iu i.u. internationalunits",
        "[lb_av]": "lb lbs lb. lbs. pound pounds lb_av #lbs",
        "[oz_av]": "oz ozs oz. ounce ounces",
        "[stone_av]": "st stone stones",
        "cel": "c °c degc degreesc celsius centigrade degreecelsius degreescelsius degcelsius",
        "cm": "cms centimeter centimeters centimetre centimetres",
        "d": "day days 24h 24hr 24hrs 24.h",
        "dl": "100ml deciliter decilitre 100cc",
        "g": "gm gms gram grams",
        "h": "hr hrs hour hours",
        "kg": "kgs kilo kilos kilogram kilograms kilogramme",
        "l": "liter litre liters litres ltr",
        "m": "meter meters metre metres mtr",
        "m[iu]": "miu mu m.i.u. m[u] milliinternationalunit milliinternationalunits",
        "meq": "milliequivalent milliequivalents",
        "mg": "mgs mgm milligram milligrams",
        "mg/dl": "mg%",
        "g/dl": "g% gm%",
        "min": "minute minutes mins",
        "ml": "milliliter millilitre cc",
        "mm": "millimeter millimeters millimetre",
        "mm[hg]": "mmhg mm(hg) torr millimetersofmercury millimetresofmercury mmofhg mmofmercury",
        "mmol": "millimole millimoles millimol",
        "ms": "msec msecs millisecond milliseconds",
        "ng": "nanogram nanograms",
        "pg": "picogram picograms",
        "s": "sec secs second seconds",
        "u": "unit units",
        "u[iu]": "uiu uu microiu microinternationalunit microinternationalunits",
        "ug": "microgram micrograms ugm",
        "ul": "mm3 mm^3 mm*3 cumm cmm microliter microlitre",
        "umol": "micromole micromoles micromol",
        "wk": "week weeks",
    }.items()
    for word in words.split()
}


@remember.by_text(_LONGEST)
def plain(unit: str) -> str:
    """Return the form of a unit or unit text: small letters, no blanks, no annotations, UCUM's words for its parts."""
    text = "".join(unit.translate(_PLAIN).lower().split())
    text = text.replace("{1.73_m2}", "1.73m2")
    text = _NOTE.sub("", _BRACES.sub("", text))
    if text in _WORDS:
        return _WORDS[text] or "1"
    text = _SURFACE.sub("/1.73m2", re.sub(r"per(?!cent)", "/", text))
    text = _POWER.sub(r"10*\1", _MICRO.sub("u", text))
    if text.startswith("kg/"):
        text = _SQUARE.sub("m2", text)
    if text.startswith("1/"):
        text = text[1:]
    parts = [_WORDS.get(part, part) for part in text.split("/")]
    return "/".join(parts) or "1"
