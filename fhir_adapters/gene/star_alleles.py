"""Star alleles and HLA alleles as laboratories write them, in one spelling; nothing is taken as ``*1``.

PharmVar and CPIC write a diplotype ``*1/*4``, copies ``*1x2``, tandems ``*36+*10``. HLA alleles have fields,
``*15:02:01``; the first two name the protein (http://hla.alleles.org/nomenclature/naming.html).
"""

import re

_ALLELE = r"\*\d{1,3}(?:[A-Z]|\.\d{3})?(?:x(?:\d{1,2}|N|(?:>=|≥)\d{1,2}))?"
_STAR = re.compile(rf"({_ALLELE}(?:\+{_ALLELE})*)\s*[/|]\s*({_ALLELE}(?:\+{_ALLELE})*)", re.ASCII)
_ONE = re.compile(rf"{_ALLELE}(?:\+{_ALLELE})*", re.ASCII)
_HLA = re.compile(r"(?:HLA-)?[A-Z0-9]{0,4}[*:]?\*?(\d{2,3})(?::(\d{2,3}))?((?::\d{2,3}){0,2})[A-Z]?", re.ASCII)
_PREFIX = re.compile(r"\b(?:HLA-)?[A-Z][A-Z0-9]{0,7}[_ :]*(?=\*)")


def diplotype(text: str) -> str | None:
    """Return the two alleles of ``text``, the lower number first; None unless that is all it says."""
    plain = _PREFIX.sub("", text.replace("×", "x").replace("X", "x")).strip()
    found = _STAR.fullmatch(plain)
    if found is None:
        return None
    first, second = sorted((found[1], found[2]), key=_order)
    return f"{_core(first)}/{_core(second)}"


def haplotype(text: str) -> str | None:
    """Return the one allele that ``text`` is, None for anything else."""
    plain = _PREFIX.sub("", text.replace("×", "x").replace("X", "x")).strip()
    return _core(plain) if _ONE.fullmatch(plain) else None


def hla(text: str) -> str | None:
    """Return one HLA allele with its first two fields, ``*15:02``; with one field only ``*15``."""
    found = _HLA.fullmatch(text.strip())
    if found is None:
        return None
    return f"*{found[1]}:{found[2]}" if found[2] else f"*{found[1]}"


def hla_pair(text: str) -> tuple[str, str] | None:
    """Return the two alleles of a typing: ``HLA-B*15:02/HLA-B*40:01``, or with ``+`` as GL strings have it."""
    parts = re.split(r"\s*[/+]\s*", text.rsplit("#", 1)[-1].strip())
    if len(parts) != 2:
        return None
    first, second = (hla(part) for part in parts)
    if first is None or second is None:
        return None
    return (first, second) if first <= second else (second, first)


def _core(allele: str) -> str:
    """Without the sub-allele: ``*1.001`` has the function of ``*1`` (PharmVar core alleles)."""
    return re.sub(r"\.\d{3}", "", allele)


def _order(allele: str) -> tuple[int, str]:
    found = re.search(r"\d+", allele)
    return int(found[0]) if found else 0, allele
