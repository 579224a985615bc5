"""What is switched at a tenant as the store has it now, and what follows from it for a call or a signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from service.errors import Unavailable

if TYPE_CHECKING:
    from service.bootstrap import Services
    from service.drafts.records import Draft
    from service.drafts.registers import Registered, RegisterStore

EVERYWHERE = ""  # the tenant of a switch that holds for the whole service
TENANT, MODEL, DRUG, SHADOW = "tenant", "model", "drug:", "shadow:"
EVERY_SERVICE = "*"
COUNTED = "shadowed:"  # a register of evaluations, one entry each: no switch, but what one has brought about
PULLED = "pulled"  # the key of an entry's detail that says whether the switch acts


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch as its last entry has it. ``pulled``: it acts; ``ehr`` is empty for the whole service."""

    register: str
    ehr: str
    subject: str
    pulled: bool
    by: str
    reason: str
    since: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class InForce:
    """The switches that act at one tenant. ``drugs`` are by formulary name, ``shadow`` by service id or ``*``."""

    tenant: Switch | None = None
    model: Switch | None = None
    drugs: Mapping[str, Switch] = field(default_factory=dict[str, Switch])
    shadow: Mapping[str, Switch] = field(default_factory=dict[str, Switch])

    def check_on(self) -> None:
        """Raise Unavailable U-SWITCHED-OFF where the tenant is stopped."""
        if self.tenant is not None:
            msg = "this service is switched off for this EHR; what is signed already is still written"
            raise Unavailable("U-SWITCHED-OFF", msg)

    def shadows(self, service: str) -> bool:
        """Say whether calls of a service are evaluated and shown to nobody."""
        return service in self.shadow or EVERY_SERVICE in self.shadow

    def withheld(self) -> Mapping[str, str]:
        """Return why each stopped drug is not drafted, in words for a card."""
        return {
            name: f"{name.replace('_', ' ').capitalize()} is switched off at this site since {one.since:%Y-%m-%d}."
            for name, one in self.drugs.items()
        }


def read(found: "Registered") -> Switch:
    """Return a register's last entry as a switch."""
    entry = found.entry
    return Switch(
        register=found.id,
        ehr=found.ehr,
        subject=found.subject,
        pulled=bool(entry.detail.get(PULLED)),
        by=entry.actor,
        reason=str(entry.detail.get("reason", "")),
        since=entry.at,
        seq=entry.seq,
    )


def at(found: Sequence["Registered"], ehr: str) -> InForce:
    """Return what acts at a tenant; the tenant's own switch is named before one of the whole service."""
    acting: dict[str, Switch] = {}
    for one in sorted(map(read, found), key=lambda one: one.ehr):
        if one.pulled and one.ehr in (EVERYWHERE, ehr):
            acting[one.subject] = one
    return InForce(
        tenant=acting.get(TENANT), model=acting.get(MODEL), drugs=_of(DRUG, acting), shadow=_of(SHADOW, acting)
    )


def _of(kind: str, acting: Mapping[str, Switch]) -> Mapping[str, Switch]:
    return {subject.removeprefix(kind): one for subject, one in acting.items() if subject.startswith(kind)}


async def of(store: "RegisterStore", ehr: str) -> InForce:
    """Return what acts at a tenant now: one reading of the store, shared by all workers, never kept."""
    return at(await store.registered("switch"), ehr)


async def check_may_sign(services: "Services", draft: "Draft") -> None:
    """Raise Unavailable U-SWITCHED-OFF for a draft whose tenant or drug is switched off."""
    found = await of(services.store, draft.ehr)
    found.check_on()
    if draft.ingredient in found.drugs:
        name = draft.ingredient.replace("_", " ")
        raise Unavailable("U-SWITCHED-OFF", f"{name} is switched off at this site: its drafts are not signed here")
