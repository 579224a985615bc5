"""What allergens mean that are no single drug: classes, foods and surroundings (``terminology/allergy_classes.csv``).

A class that no rule asks for (``penicillin``) still tells that the allergen is known, and is none of the drugs
that are judged.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fhir_adapters import remember
from fhir_adapters.dialect.code_systems import key_code
from fhir_adapters.terminology import Code

_NONE: frozenset[str] = frozenset()
_TAG = re.compile(r"\s*\((?:substance|product|medicinal product|finding|disorder|organism|situation|trastorno)\)$")
_ALLERGY = re.compile(r"^(?:allergy|allergic|hypersensitivity|intolerance) to (.+)$|^(.+) (?:allergy|intolerance)$")


@dataclass(frozen=True, slots=True)
class AllergenTables:
    """``codes`` and ``texts`` (small letters) → class. ``foods``: classes of foods; ``harmless``: of no drug."""

    codes: Mapping[Code, frozenset[str]]
    texts: Mapping[str, frozenset[str]]
    foods: frozenset[str]
    harmless: frozenset[str]

    def of_codes(self, codes: Iterable[Code]) -> frozenset[str]:
        """Return the classes that the codes name."""
        return _NONE.union(*(self.codes.get(code, _NONE) for code in codes))

    def of_texts(self, texts: Iterable[str]) -> frozenset[str]:
        """Return the classes that texts name as they stand; nothing for one with any further word."""
        return _NONE.union(*(self.texts.get(allergen, _NONE) for text in texts for allergen in allergens(text)))


@remember.by_text(200)
def allergens(text: str) -> tuple[str, ...]:
    """Return what a text may name: itself, and without "allergy to"; in small letters, one blank, no tag."""
    plain = _TAG.sub("", " ".join(text.casefold().replace("’", "'").split()))
    found = _ALLERGY.match(plain)
    return (plain, found[1] or found[2]) if found else (plain,)


@cache
def load() -> AllergenTables:
    """Return the tables, read once."""
    path = files("fhir_adapters") / "terminology" / "allergy_classes.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    codes: dict[Code, frozenset[str]] = {}
    texts: dict[str, frozenset[str]] = {}
    for row in rows:
        named = frozenset({row["class"]})
        for allergen in allergens(row["text"])[:1]:
            texts[allergen] = texts.get(allergen, _NONE) | named
        if row["code"] and row["verified"] != "no":
            code = row["system"], key_code(row["system"], row["code"])
            codes[code] = codes.get(code, _NONE) | named
    foods = frozenset(row["class"] for row in rows if row["kind"] == "food")
    harmless = frozenset(row["class"] for row in rows if row["kind"] != "drug")
    return AllergenTables(codes, texts, foods, harmless)
