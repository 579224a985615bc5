"""An order and the Provenance that says who made it: written at once, read together, and all or nothing."""

from collections.abc import Sequence
from typing import Any

from conformance.checks import Told, Untested, failed, passed, warned
from conformance.suites.ehr import orders
from conformance.suites.ehr.answers import got
from conformance.suites.ehr.probe import Probe


async def _proof(probe: Probe, url: str) -> dict[str, Any]:
    """Return a Provenance of what stands at ``url`` in the same transaction."""
    return {
        "resourceType": "Provenance",
        "target": [{"reference": url}],
        "recorded": probe.now.isoformat(timespec="milliseconds"),
        "agent": [{"who": await orders.requester(probe)}],
    }


async def together(probe: Probe) -> Sequence[Told]:
    """Judge whether an order and its Provenance are written at once, and point to each other."""
    await orders.kept(probe)
    sent = await orders.order(probe)
    url = f"urn:uuid:{probe.uuid()}"
    answer, made = await orders.transact(probe, {**sent, "_url": url}, await _proof(probe, url))
    if answer.status != 200 or len(made) < 2:
        fix = "support transactions of MedicationRequest and Provenance; until then one is sent after the other"
        said = "a transaction of an order and its Provenance is refused"
        return warned(said, answer.number, expected="200", got=got(answer), fix=fix)
    held = await probe.session.get(next(one for one in made if one.startswith("Provenance/")))
    targets: Any = held.object().get("target") or [{}]
    if orders.short(str(targets[0].get("reference", ""))) not in made:
        fix = "replace urn:uuid references inside a transaction by the ids that the resources get"
        return failed(
            "the Provenance does not point to its order", answer.number, held.number, path="$.target", fix=fix
        )
    probe.reached.append("transaction")
    return passed("an order and its Provenance are written together", answer.number, held.number)


async def revinclude(probe: Probe) -> Sequence[Told]:
    """Whoever reads an order gets with it who made it, where a search by ``_revinclude`` brings it."""
    await orders.kept(probe)
    url = f"urn:uuid:{probe.uuid()}"
    answer, made = await orders.transact(probe, {**await orders.order(probe), "_url": url}, await _proof(probe, url))
    names = {one.partition("/")[0]: one for one in made}
    if answer.status != 200 or not {"MedicationRequest", "Provenance"} <= names.keys():
        raise Untested("no order with a Provenance could be written, so none was looked for", (answer.number,))
    order_id = names["MedicationRequest"].partition("/")[2]
    found = await probe.session.get(f"MedicationRequest?_id={order_id}&_revinclude=Provenance:target")
    if any(one.get("resource", {}).get("resourceType") == "Provenance" for one in found.list("entry") or ()):
        return passed("_revinclude brings an order's Provenance along", answer.number, found.number)
    fix = "honour _revinclude=Provenance:target; until then each Provenance is one more search"
    fix += "" if found.status == 200 else "; grant the client Provenance"
    said = "an order's Provenance does not come with it"
    return warned(said, answer.number, found.number, expected="Provenance", got=got(found), path="$.entry", fix=fix)


async def all_or_nothing(probe: Probe) -> Sequence[Told]:
    """Judge whether a transaction with a broken entry leaves nothing behind."""
    await orders.kept(probe)
    good = await orders.order(probe)
    broken = {name: value for name, value in (await orders.order(probe)).items() if name != "subject"}
    answer, made = await orders.transact(probe, dict(good), broken)
    left = await orders.found(probe, good)
    if left:
        probe.written[left] = "left by a transaction that failed"
    if answer.status < 400 and len(made) > 1:
        fix = "check every entry before any is stored"
        return failed("a transaction with an order that has no subject is taken", answer.number, expected="400 or 422",
                      got=str(answer.status), fix=fix)  # fmt: skip
    if left:
        fix = "roll back: a transaction leaves all or nothing"
        return failed(
            "a transaction that failed left an order behind", answer.number, expected="nothing", got="1", fix=fix
        )
    return passed(f"a transaction that fails ({answer.status}) leaves nothing", answer.number)
