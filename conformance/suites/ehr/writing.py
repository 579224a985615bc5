"""Write-back, with a named test patient only: what is taken, kept, found again, and taken back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from conformance.checks import Check, Requirement, Told, Untested, failed, passed, warned
from conformance.suites.ehr import demands, orders, transactions
from conformance.suites.ehr import requirements as must
from conformance.suites.ehr.answers import got, is_outcome
from conformance.suites.ehr.probe import Probe

_GROUP = "write-back"
_ACTIVE = f"allow this client to create orders; {demands.CARD}"


def _create(status: str, otherwise: str) -> Callable[[Probe], Awaitable[Sequence[Told]]]:
    async def check(probe: Probe) -> Sequence[Told]:
        _, answer, _ = await orders.made(probe, status)
        if status == "draft" and answer.status != 201:
            _, active, _ = await orders.made(probe)
            if active.status == answer.status:
                raise Untested("no order of any status is taken (see write.active)", (answer.number,))
        if answer.status == 201:
            probe.reached.append(status)
            return passed(f"a MedicationRequest with status {status} is created", answer.number)
        probe.settled(answer)
        said = f"a MedicationRequest with status {status} is refused"
        if status == "active":
            return demands.refusal(answer, said, "fail", otherwise)
        return [replace(one, acts="nobody") for one in demands.refusal(answer, said, "warn", otherwise)]

    return check


async def _answered(probe: Probe) -> Sequence[Told]:
    _, answer, _ = await orders.kept(probe)
    said: list[Told] = []
    if not answer.header("location"):
        fix = "send Location with the address and version of what was created"
        said += failed("a create does not say where the resource is", answer.number, expected="Location",
                       got="no such header", path="Location", fix=fix)  # fmt: skip
    if not answer.header("etag"):
        fix = "send ETag, or a later change cannot name the version that it stands on"
        said += warned("a create sends no ETag", answer.number, expected='ETag: W/"1"', got="no such header",
                       path="ETag", fix=fix)  # fmt: skip
    if not answer.body:
        fix = "nothing to do: the service reads it again; a body would save that request"
        said.append(Told("warn", "a create is answered without a body", "the resource", "no body", "", fix, "nobody",
                         (answer.number,)))  # fmt: skip
    return said or passed("a create answers with Location, ETag and the resource", answer.number)


async def _reread(probe: Probe) -> Sequence[Told]:
    sent, answer, reference = await orders.kept(probe)
    again = await probe.session.get(reference)
    probe.settled(again)
    if again.status != 200:
        fix = "make what was created readable at its Location, with the same token"
        return failed("what was created is not read again", answer.number, again.number, expected="200",
                      got=got(again), fix=fix)  # fmt: skip
    lost = orders.lost(sent, again.object())
    probe.lost["MedicationRequest"] = lost
    if lost:
        fix = "keep these elements; until then the service reports each order as changed, and a person has to look"
        said = f"elements that did not come back as they were sent: {', '.join(lost)}"
        path = f"$.{lost[0].partition(' ')[0]}"
        return failed(said, answer.number, again.number, expected="as sent", got=lost[0], path=path, fix=fix)
    return passed("what is read again is what was sent", answer.number, again.number)


async def _found(probe: Probe) -> Sequence[Told]:
    sent, answer, _ = await orders.kept(probe)
    first = len(probe.session.exchanges)
    all_found = await orders.by_identifier(probe, sent)
    probe.settled(probe.session.exchanges[-1])
    ours = [one for one in all_found if orders.carries(one, sent)]
    numbers = [one.number for one in probe.session.exchanges[first:]]
    if not ours:
        fix = "make what was created searchable by identifier at once: the service looks before it sends again"
        return failed(
            "an order is not found by its identifier", answer.number, *numbers, expected="1", got="0", fix=fix
        )
    if len(all_found) > len(ours):
        fix = "honour the parameter identifier with system and value"
        shown = f"{len(all_found)} resources"
        return failed("a search by identifier gives others too", *numbers, expected="1", got=shown, fix=fix)
    return passed("an order is found by its identifier", *numbers)


async def _conditional(probe: Probe) -> Sequence[Told]:
    await orders.kept(probe)
    sent = await orders.order(probe)
    token = f"identifier={orders.SYSTEM}|{orders.identifier(sent)}"
    answers = [await orders.create(probe, sent, if_none_exist=token) for _ in range(2)]
    numbers = tuple(one.number for one in answers)
    if answers[0].status not in (200, 201):
        fix = "support conditional create (If-None-Exist), or leave the header without effect"
        return failed("a conditional create is refused", *numbers, expected="201", got=got(answers[0]), fix=fix)
    if answers[1].status == 200:
        probe.reached.append("conditional")
        return passed("the second conditional create makes nothing and answers 200", *numbers)
    probe.settled(answers[1])
    fix = "honour If-None-Exist; until then the service searches before it creates"
    said = "If-None-Exist is ignored: a repeated create makes a second order"
    return failed(said, *numbers, expected="200", got=got(answers[1]), fix=fix)


async def _if_match(probe: Probe) -> Sequence[Told]:
    await orders.kept(probe)
    sent = await orders.order(probe)
    answer = await orders.create(probe, sent)
    reference = orders.reference_of(answer, "MedicationRequest") or await orders.found(probe, sent)
    if not reference:
        raise Untested("the order of this check could not be created", (answer.number,))
    present = await probe.session.get(reference)
    # Sent back as it was read, and what a read has lost (write.reread) as it was sent.
    etag, body = present.header("etag"), {**sent, **present.object()}
    if not etag:
        fix = "send ETag with reads and honour If-Match: two people may change one order"
        return failed("a read sends no ETag, so no update can name a version", present.number, expected="ETag",
                      got="no such header", path="ETag", fix=fix)  # fmt: skip
    first = probe.settled(await orders.put(probe, reference, {**body, "note": [{"text": "one"}]}, etag))
    if first.status not in (200, 204):
        fix = "support update with If-Match, or say that changes go another way (JSON Patch)"
        return warned(
            "an update with the right If-Match is refused", first.number, expected="200", got=got(first), fix=fix
        )
    stale = await orders.put(probe, reference, {**body, "note": [{"text": "another"}]}, etag)
    if stale.status in (409, 412):
        probe.reached.append("if-match")
        return passed(f"an outdated If-Match is refused with {stale.status}", first.number, stale.number)
    fix = "compare If-Match with the present version and answer 412"
    said = "an outdated If-Match is taken: the change before it is lost"
    return failed(said, first.number, stale.number, expected="412", got=got(stale), fix=fix)


async def _invalid(probe: Probe) -> Sequence[Told]:
    sent = {name: value for name, value in (await orders.order(probe)).items() if name != "subject"}
    answer = await orders.create(probe, sent)
    probe.settled(answer)
    if answer.status < 400:
        fix = "check what is written: an order without a patient must not be stored"
        return failed("an order without a subject is stored", answer.number, expected="400 or 422",
                      got=str(answer.status), path="$.subject", fix=fix)  # fmt: skip
    if not is_outcome(answer):
        unknown = await probe.get("Patient/undersign-no-such-id")
        if unknown.status >= 400 and not is_outcome(unknown):
            raise Untested("it is refused, and no error of this EHR says why (see errors.outcomes, errors.insides)",
                           (answer.number, unknown.number))  # fmt: skip
        fix = "say what is wrong in an OperationOutcome"
        return warned("an order that is not valid is refused without saying why", answer.number,
                      expected="OperationOutcome", got=got(answer), path="$", fix=fix)  # fmt: skip
    return passed(f"an order without a subject is refused with {answer.status}", answer.number)


async def _taken_back(probe: Probe) -> Sequence[Told]:
    await orders.kept(probe)
    sent = await orders.order(probe)
    answer = await orders.create(probe, sent)
    reference = orders.reference_of(answer, "MedicationRequest") or await orders.found(probe, sent)
    taken = await orders.take_back(probe, reference)
    if taken is None:
        fix = (
            "allow delete, or an update to entered-in-error, to this client; else remove by hand what the report lists"
        )
        last = probe.session.exchanges[-1]
        return failed(
            "an order cannot be taken back", answer.number, last.number, expected="200", got=got(last), fix=fix
        )
    how = "deleted" if taken.asked.method == "DELETE" else "marked as entered in error"
    return passed(f"an order is {how}", answer.number, taken.number)


def _check(name: str, title: str, rule: Requirement, run: Callable[[Probe], Awaitable[Sequence[Told]]],
           *, blocks: bool = True) -> Check[Probe]:  # fmt: skip
    weight = "blocks-write-back" if blocks else "degrades"
    return Check(f"write.{name}", title, _GROUP, rule, weight, "ehr-team", run, frozenset({"write"}))


CHECKS: tuple[Check[Probe], ...] = (
    _check(
        "active",
        "An active order",
        must.W1,
        _create("active", _ACTIVE),
    ),
    _check(
        "draft",
        "A draft",
        must.W1,
        _create(
            "draft",
            "nothing to do: the service holds drafts itself, and writes an order when a practitioner has signed it",
        ),
        blocks=False,
    ),
    _check("answer", "Location, ETag, body", must.W1, _answered, blocks=False),
    _check("reread", "What is kept", must.W2, _reread),
    _check("found", "Found by identifier", must.W8, _found),
    _check("conditional", "Conditional create", must.W3, _conditional, blocks=False),
    _check("if-match", "If-Match", must.W4, _if_match, blocks=False),
    _check("transaction", "Transaction with Provenance", must.W5, transactions.together, blocks=False),
    _check("provenance", "Provenance with its order", must.W9, transactions.revinclude, blocks=False),
    _check("all-or-nothing", "All or nothing", must.W5, transactions.all_or_nothing, blocks=False),
    _check("invalid", "What is not valid", must.W6, _invalid, blocks=False),
    _check("taken-back", "Taken back", must.W7, _taken_back, blocks=False),
)
