"""What can be dispensed of one drug in one product: up to three units, or half a tablet that may be split."""

from collections.abc import Iterator, Sequence

from recommender.catalog.rows import Orderable

SIMPLE = (1.0, 2.0)
UNITS = (*SIMPLE, 3.0)
HALF = 0.5
EXACT_MG = 1e-6


def splittable(one: Orderable) -> bool:
    """Say whether half a unit can be given: tablets of immediate release only."""
    return one.form == "tablet" and one.release == "immediate"


def choose(orderables: Sequence[Orderable], each_mg: float) -> Orderable | None:
    """Return the product for one administration of ``each_mg``: one unit, else two, else three, else half of one."""
    for units in (*UNITS, HALF):
        for one in orderables:
            if (units != HALF or splittable(one)) and abs(one.strength_mg * units - each_mg) < EXACT_MG:
                return one
    return None


def highest(orderables: Sequence[Orderable], most_mg: float) -> float | None:
    """Return the highest amount in one or two units, or half a tablet, that is not above ``most_mg``.

    25 mg where 37.5 mg cannot be dispensed: three units are for a dose that a source names, not for the next best.
    """
    return max((mg for mg in _amounts(orderables) if mg <= most_mg + EXACT_MG), default=None)


def in_units(one: Orderable, each_mg: float) -> bool:
    """Say whether ``each_mg`` is a whole number of units of this product, or of halves where it may be split."""
    parts = each_mg / one.strength_mg * (2 if splittable(one) else 1)
    return parts >= 1 - EXACT_MG and abs(parts - round(parts)) < EXACT_MG


def _amounts(orderables: Sequence[Orderable]) -> Iterator[float]:
    for one in orderables:
        for units in (*SIMPLE, *((HALF,) if splittable(one) else ())):
            yield one.strength_mg * units
