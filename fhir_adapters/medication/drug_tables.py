"""The drug tables of ``terminology/*.csv``: names and codes of every level to ingredients.

Ingredients have the names that RxNorm gives them. A salt, an ester or a hydrate is its ingredient. Only
ingredients with ``reviewed`` were considered when the classes and the interaction rules were written: a
drug with any other is known by name, and no rule that looks for a class may take it for harmless.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar, cast

from fhir_adapters.dialect.code_systems import ATC, NDC, RXNORM
from fhir_adapters.errors import ProfileError
from fhir_adapters.medication import drug_text
from fhir_adapters.medication.drug_text import Vocabulary

K = TypeVar("K")
V = TypeVar("V")
Code = tuple[str, str]
Row = Mapping[str, str]
DrugKind = Literal["ingredient", "drug", "pack", "brand", "drug_legacy", "class_orderable"]

# INN words end differently in other languages, and each ending stands for one English one: quetiapin (German,
# Danish, Swedish), quetiapina (Spanish, Italian, Portuguese), metformine (Dutch, French).
# WHO, Guidance on INN (https://www.who.int/teams/health-product-and-policy-standards/inn/guidance-on-inn).
_ENDINGS = (("ine", ("in", "ina")), ("ole", ("ol", "olo")), ("one", ("on", "ona")), ("ide", ("id", "ida")),
            ("ate", ("at", "aat")), ("ene", ("en", "eno")), ("ane", ("an", "ano")), ("ame", ("am", "amo")),
            ("in", ("ine", "ina")), ("am", ("amo",)), ("il", ("ilo",)), ("an", ("ano",)))  # fmt: skip
_SHORTEST = 7  # letters of a name that is read with other endings
_NDC = re.compile(r"(\d{4,5})-(\d{3,4})-(\d{1,2})")


@dataclass(frozen=True, slots=True)
class DrugCode:
    """A code, all ingredients of what it names (sorted), and the name where the table gives one."""

    ingredients: tuple[str, ...]
    kind: DrugKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class DrugTables:
    """``names``: lower-case name → its one ingredient. ``routes``: code → route, ``route_words``: text → route.

    ``class_orderables`` is keyed by RxNorm code.
    """

    codes: Mapping[Code, DrugCode]
    names: Mapping[str, str]
    vocabulary: Vocabulary
    reviewed: frozenset[str]
    class_members: Mapping[str, frozenset[str]]
    class_orderables: Mapping[str, frozenset[str]]
    routes: Mapping[Code, str]
    route_words: Mapping[str, str]


@cache
def load() -> DrugTables:
    """Return the tables (read once); ProfileError U-PROFILE-TERMINOLOGY when rows contradict each other."""
    names = _names()
    return DrugTables(
        codes=_codes(),
        names={name: held[0] for name, held in names.items() if len(held) == 1},
        vocabulary=_vocabulary(names),
        reviewed=frozenset(row["ingredient"] for row in _rows("ingredients") if row["reviewed"] == "yes"),
        class_members=grouped((row["class"], row["ingredient"]) for row in _rows("drug_classes")),
        class_orderables=grouped((row["rxnorm_code"], row["class"]) for row in _coded("class_orderables")),
        routes={(row["system"], row["code"]): row["route"] for row in _coded("routes") if row["code"]},
        route_words={row["text"]: row["route"] for row in _rows("routes") if row["text"]},
    )


def key_ndc(code: str) -> str:
    """Return an NDC as eleven digits where its hyphens tell which part is short; as written otherwise.

    https://www.fda.gov/drugs/drug-approvals-and-databases/national-drug-code-directory: 5-4-2 with zeros in
    front of each part.
    """
    found = _NDC.fullmatch(code.strip())
    return "".join(part.zfill(size) for part, size in zip(found.groups(), (5, 4, 2), strict=True)) if found else code


def codes_from(verified: str) -> frozenset[Code]:
    """Return the codes of drug_codes.csv whose rows are so verified: those ``secondary`` were seen in sample files."""
    found = (row for row in _rows("drug_codes") if row["verified"] == verified)
    return frozenset((row["system"], key_ndc(row["code"]) if row["system"] == NDC else row["code"]) for row in found)


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, frozenset[V]]:
    """Return key → all values that stand beside it."""
    groups: dict[K, set[V]] = defaultdict(set)
    for key, value in pairs:
        groups[key].add(value)
    return {key: frozenset(values) for key, values in groups.items()}


def _rows(table: str) -> Iterator[Row]:
    path = files("fhir_adapters") / "terminology" / f"{table}.csv"
    yield from csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def _coded(table: str) -> Iterator[Row]:
    """Return the rows whose code was seen at its source."""
    return (row for row in _rows(table) if row["verified"] != "no")


def _codes() -> dict[Code, DrugCode]:
    found: dict[Code, DrugCode] = {}
    for code, drug in _all_codes():
        known = found.get(code)
        if known is not None and known.ingredients != drug.ingredients:
            raise ProfileError("U-PROFILE-TERMINOLOGY", f"drug code {code[1]} has two sets of ingredients; correct it")
        found[code] = drug
    return found


def _all_codes() -> Iterator[tuple[Code, DrugCode]]:
    """Return the rows of all tables; of a code in several the last counts."""
    for row in _coded("atc_codes"):
        yield (ATC, row["code"]), DrugCode(tuple(row["ingredients"].split("+")), "drug")
    for row in _coded("drug_codes"):
        code = key_ndc(row["code"]) if row["system"] == NDC else row["code"]
        yield (row["system"], code), _code(row, cast("DrugKind", row["kind"]))
    for row in _coded("class_orderables"):
        if row["ingredients"]:
            yield (RXNORM, row["rxnorm_code"]), _code(row, "class_orderable")
    for row in _coded("orderables"):
        yield (RXNORM, row["rxnorm_code"]), _code(row, cast("DrugKind", row["kind"]))
    for row in _coded("ingredients"):
        if row["rxnorm_code"]:
            yield (RXNORM, row["rxnorm_code"]), DrugCode((row["ingredient"],), "ingredient")


def _code(row: Row, kind: DrugKind) -> DrugCode:
    return DrugCode(tuple(sorted(row["ingredients"].split("+"))), kind, row["name"])


def _names() -> dict[str, tuple[str, ...]]:
    """Return name → ingredients: the ingredients themselves, then other names of them and of combinations."""
    names = {row["ingredient"]: (row["ingredient"],) for row in _rows("ingredients")}
    return names | {row["name"]: tuple(sorted(row["ingredients"].split("+"))) for row in _rows("drug_names")}


def _vocabulary(names: Mapping[str, tuple[str, ...]]) -> Vocabulary:
    roles = {row["word"]: row["role"] for row in _rows("drug_words")}
    others = frozenset(word for word, role in roles.items() if role != "salt")
    keyed: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name, held in names.items():
        if keyed.setdefault(drug_text.key_of(name), held) != held:
            raise ProfileError("U-PROFILE-TERMINOLOGY", f"{name} reads like the name of another drug; leave one out")
    for spelt, held in _spellings(names):
        if spelt not in roles:
            keyed.setdefault((spelt,), held)
    longest: dict[str, int] = {}
    for key in keyed:
        longest[key[0]] = max(len(key), longest.get(key[0], 0))
    salts = frozenset(tuple(word.split()) for word, role in roles.items() if role == "salt")
    return Vocabulary(keyed, salts, others, longest)


def _spellings(names: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return names of one word with the endings that other languages give them."""
    for name, held in names.items():
        if len(name) < _SHORTEST or not name.isalpha() or len(held) != 1:
            continue
        for ending, others in _ENDINGS:
            if name.endswith(ending):
                yield from ((name.removesuffix(ending) + other, held) for other in others)
                break
