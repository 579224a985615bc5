"""The end of the coverage report: lines to paste, what a person must decide, and what no line mends."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from fhir_adapters.survey.coverage import Coverage, Help
from fhir_adapters.survey.suggestions import MAPS, Suggestion, heading, meanings

_SHOWN = 30  # suggested lines; JSON has all
_ADVICE = {
    "unit-missing": "the EHR sends no unit; only its interface can add one",
    "unit-conflicting": "the unit's code and its text are two units; only the EHR can say which",
    "unit-not-convertible": "the factor of this unit depends on the assay; ask the laboratory for the other unit",
    "bound-only": "results such as < 0.2; there is no number to take",
    "implausible": "outside the plausible range; look at the unit and at the device",
    "values-disagree": "several values of one time; look which the EHR shows",
    "undated": "no date; see tolerance.repairs: date-from-issued",
    "items-missing": "the form is not whole, so that it has no total",
    "from-text-unconfirmed": "read from words; a person must confirm it",
}
_DRUG_ADVICE = {
    "reference-not-found": "the Medication is not in the folder: export Medication too",
    "conflicting": "codes and words name different drugs; look at these entries",
    "code-unknown": "a code that no table knows; where its name tells the drug, a line is below",
    "text-not-understood": "a name that is not wholly understood; it can be mapped only by a code",
    "not-named": "an entry that names no drug",
}


def print_lines(console: Console, tally: Coverage) -> None:
    """Print what would help, the lines last: they are what is copied."""
    _unmended(console, tally)
    _undecided(console, tally)
    _lines(console, tally)


def _lines(console: Console, tally: Coverage) -> None:
    lines = tally.lines()
    if not lines:
        console.print("\n[bold]Lines[/bold]: none is suggested; what looks like a feature is read")
        return
    console.print("\n[bold]Lines that would help[/bold]: check each against the site's own lists, then paste it")
    for table, held in _by_table(lines[:_SHOWN]).items():
        console.print(f"\n{escape(heading(table))}", style="bold", soft_wrap=True)
        for one, helped in held:
            console.print(_line(one, helped), soft_wrap=True)
    if len(lines) > _SHOWN:
        console.print(f"\n{len(lines) - _SHOWN:,} more in --json", style="dim")


def _by_table(lines: Sequence[tuple[Suggestion, Help]]) -> dict[str, list[tuple[Suggestion, Help]]]:
    """Return the lines under their tables; the code map, which is another file, comes last."""
    tables: dict[str, list[tuple[Suggestion, Help]]] = {}
    for one, held in sorted(lines, key=lambda pair: pair[0].table == MAPS):
        tables.setdefault(one.table, []).append((one, held))
    return tables


def _line(one: Suggestion, held: Help) -> Text:
    """Return the line as it can be pasted: what is said beside it is a comment, or the map's last column."""
    people = counted(held.patients, "patient")
    does = f"{people}, {held.fed:,} more fed" if held.fed else people
    said = f"{does}: {held.seen}" if held.seen not in ("", one.left) else does
    if one.table == MAPS:
        return Text(one.line(said))
    return Text.assemble(one.line(), (f"  # {said}", "dim"))


def _undecided(console: Console, tally: Coverage) -> None:
    unclear = tally.undecided()
    if not unclear:
        return
    console.print("\n[bold]For a person to decide[/bold]: each of these could mean several things")
    for choices in unclear[:_SHOWN]:
        table, left = choices[0][:2]
        people = counted(max(tally.helps[one].patients for one in choices), "patient")
        said = f"  {left}  is {meanings(choices)}?"
        console.print(Text.assemble((table, "bold"), said, (f"  {people}", "dim")), soft_wrap=True)
    if len(unclear) > _SHOWN:
        console.print(f"{len(unclear) - _SHOWN:,} more in --json", style="dim")


def _unmended(console: Console, tally: Coverage) -> None:
    """Print the commonest reasons that lines of a profile do not mend, and what can be done instead."""
    counts = Counter[str]()
    for reasons in tally.reasons.values():
        counts.update({reason: count for reason, count in reasons.items() if reason in _ADVICE})
    said = [(f"{reason}, {count:,} × a feature", _ADVICE[reason]) for reason, count in counts.most_common(5)]
    drugs = [(why, count) for why, count in tally.entries["medications"].most_common() if why in _DRUG_ADVICE]
    said += [(f"{why}, {counted(count, 'drug')}", _DRUG_ADVICE[why]) for why, count in drugs]
    if said:
        console.print("\n[bold]What to look at[/bold]")
    for what, advice in said:
        console.print(f"{what}: {advice}")


def percent(share: float) -> str:
    """Return a share in words no wider than "100 %"; a dot for none at all."""
    if share in (0, 1):
        return "100 %" if share else "·"
    return "<1 %" if share < 0.005 else f"{min(share, 0.99) * 100:.0f} %"


def counted(number: int, name: str) -> str:
    """Return "1 patient" or "2,000 patients"."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"
