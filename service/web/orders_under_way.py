"""Orders that were decided on and are not in force yet, and those of one patient that are: what a worklist tells.

What a person has to look after stands apart from what goes on by itself, so that neither reads as "nothing is held".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fhir_adapters.dialect.profile import Profile
from service.drafts.records import Draft, State
from service.web import fate, view, words
from service.web.chart import Person

# Not in the EHR as signed, the worst first: what the EHR holds otherwise is looked at before what is tried again.
STUCK: tuple[State, ...] = ("mismatch", "parked", "write-failed")
GOING_ON: tuple[State, ...] = ("awaiting-ehr-signature", "signed", "writing", "written")
IN_FORCE: tuple[State, ...] = ("confirmed",)
_FEW = 3


@dataclass(frozen=True, slots=True)
class Decided:
    """One order: whose it is, what it is, where it is now, since when."""

    id: str
    person: Person
    label: str
    what: str
    since: str


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of a worklist: ``stuck`` asks for a person, ``going_on`` goes on by itself, ``in_force`` is done."""

    stuck: Sequence[Decided]
    going_on: Sequence[Decided]
    in_force: Sequence[Decided]

    @property
    def any(self) -> bool:
        """Whether there is one that is not in force yet."""
        return bool(self.stuck or self.going_on)


def orders(found: Iterable[Draft], people: Mapping[str, Person], profile: Profile) -> Orders:
    """Return the orders of these people; of those in force the newest few."""
    ours = sorted((d for d in found if d.patient in people), key=lambda draft: draft.updated, reverse=True)

    def of(states: Sequence[State], most: int | None = None) -> list[Decided]:
        chosen = sorted((d for d in ours if d.state in states), key=lambda draft: states.index(draft.state))
        return [_decided(draft, people[draft.patient], profile) for draft in chosen[:most]]

    return Orders(of(STUCK), of(GOING_ON), of(IN_FORCE, _FEW))


def _decided(draft: Draft, person: Person, profile: Profile) -> Decided:
    return Decided(draft.id, person, view.label(draft), fate.WORDS[draft.state], words.moment(draft.updated, profile))
