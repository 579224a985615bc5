"""How to change from a present antidepressant to another, in words with their source; never an order."""

from collections.abc import Iterator, Sequence

from recommender.assessment import Switch
from recommender.catalog.knowledge import Knowledge
from recommender.dose.dose_rows import Taper
from recommender.dose.dose_tables import closeness

PHARMACIST = "plan with a pharmacist"
_SLOW = frozenset({"cross-taper", "taper"})


def switches(present: Sequence[str], new: str, knowledge: Knowledge) -> tuple[Switch, ...]:
    """Return one plan for each present drug that ``new`` would replace; nothing for the drug itself.

    The row of tapers.csv that names the drugs most closely holds, the present drug before the new one. Where none
    holds, the plan says so and names the pharmacist.
    """
    drug = knowledge.drug(new)
    name = drug.ingredient if drug else new
    olds = dict.fromkeys(_formulary_name(one, knowledge) for one in present)
    return tuple(_switch(old, name, knowledge) for old in olds if old != name)


def _formulary_name(ingredient: str, knowledge: Knowledge) -> str:
    drug = knowledge.drug(ingredient)
    return drug.ingredient if drug else ingredient


def _switch(old: str, new: str, knowledge: Knowledge) -> Switch:
    row = _closest(old, new, knowledge)
    stop = _closest(old, "", knowledge)
    if row is None:
        words = f"No source here says how to change from {_spoken(old)} to {_spoken(new)}: {PHARMACIST}."
        rows = [stop] if stop else []
    else:
        words = _filled(row, old, new)
        rows = [row, *([stop] if stop and row.way in _SLOW else [])]
    told = [words, *(_filled(one, old, new) for one in rows if one.way == "stop")]
    return Switch(
        replaces=old,
        rule=row.id if row else "",
        way=row.way if row else "unknown",
        plan=" ".join(told),
        source="+".join(dict.fromkeys(key for one in rows for key in one.basis.source.split("+"))),
        verified=bool(rows) and row is not None and all(one.basis.verified for one in rows),
    )


def _closest(old: str, new: str, knowledge: Knowledge) -> Taper | None:
    found = max(_held(old, new, knowledge), key=lambda held: held[:2], default=None)
    return found[2] if found else None


def _held(old: str, new: str, knowledge: Knowledge) -> Iterator[tuple[int, int, Taper]]:
    """Yield the rows that hold, each with how closely it names the present and the new drug."""
    for near, row in knowledge.doses.tapers_from.get(old, ()):
        far = closeness(row.new, new, knowledge.classes) if row.new and new else None
        if not row.new and not new:
            yield near, 0, row
        elif far is not None:
            yield near, far, row


def _filled(row: Taper, old: str, new: str) -> str:
    return row.plan.format(old=_spoken(old), new=_spoken(new))


def _spoken(name: str) -> str:
    return name.replace("_", " ")
