"""What a call gets to evaluate with, where something is switched: no model, fewer drugs, a store that holds nothing."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from service.switches.in_force import InForce
from service.switches.shadow import Shadowed

if TYPE_CHECKING:
    from service.bootstrap import Services


def to(services: "Services", found: InForce, service: str) -> "Services":
    """Return the services for one call of a CDS service; the same ones where nothing is switched."""
    if found == InForce():
        return services
    return replace(
        services,
        model=None if found.model else services.model,
        store=cast("Any", Shadowed(services.store)) if found.shadows(service) else services.store,
        stopped=found.withheld(),
    )
