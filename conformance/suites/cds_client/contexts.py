"""The context of every hook: who, whose chart, and which orders."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from conformance.checks import Check, Untested
from conformance.reference_ehr.refusals import Refusal
from conformance.reference_ehr.validate import check_shape
from conformance.suites.cds_client import requirements as must
from conformance.suites.cds_client.judging import Wrong, each, only, shown
from conformance.suites.cds_client.probe import Came, Json, Probe, as_list, as_object

_GROUP = "context"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # http://hl7.org/fhir/R4/datatypes.html#id
_USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-.]{1,64}")
_SELECT, _SIGN = "order-select", "order-sign"


def _calls(probe: Probe) -> Sequence[Came]:
    return probe.calls


def _ordering(probe: Probe) -> Sequence[Came]:
    return probe.of_hooks(_SELECT, _SIGN)


def orders(one: Came) -> list[Json]:
    """Return the orders of a call."""
    entries = as_list(as_object(one.context.get("draftOrders")).get("entry"))
    return [as_object(as_object(entry).get("resource")) for entry in entries]


def _with_orders(probe: Probe) -> Sequence[Came]:
    return only([one for one in _ordering(probe) if orders(one)], "no call held an order")


def _user(_: Probe, one: Came) -> Iterable[Wrong]:
    user = one.context.get("userId")
    if not isinstance(user, str) or not _USER.fullmatch(user):
        yield Wrong("the userId is no reference to a user", "$.context.userId",
                    "send the type with the id: Practitioner/123", "Practitioner/123", shown(user))  # fmt: skip
    elif not user.startswith("Practitioner"):
        yield Wrong("the user is no practitioner: the service refuses the call", "$.context.userId",
                    "call this service for practitioners only", "Practitioner/…", user.partition("/")[0],
                    "warn")  # fmt: skip


def _patient(_: Probe, one: Came) -> Iterable[Wrong]:
    patient = one.context.get("patientId")
    if not isinstance(patient, str) or not _ID.fullmatch(patient):
        yield Wrong("the patientId is no id", "$.context.patientId", "send the id alone, without Patient/ before it",
                    "123", _form(patient))  # fmt: skip


def _encounter(_: Probe, one: Came) -> Iterable[Wrong]:
    encounter = one.context.get("encounterId")
    if encounter not in (None, "") and (not isinstance(encounter, str) or not _ID.fullmatch(encounter)):
        yield Wrong("the encounterId is no id", "$.context.encounterId",
                    "send the id alone, without Encounter/ before it", "123", _form(encounter))  # fmt: skip


def _form(value: object) -> str:
    """Return the form of an id that is none: what stands there may say who somebody is."""
    if isinstance(value, str):
        return f"{value.partition('/')[0]}/…" if re.match(r"[A-Z][A-Za-z]+/", value) else "a text of another form"
    return "absent" if value is None else type(value).__name__


def _bundle(_: Probe, one: Came) -> Iterable[Wrong]:
    held: Any = one.context.get("draftOrders")
    fix = 'send {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": …}]}'
    if as_object(held).get("resourceType") != "Bundle":
        got = as_object(held).get("resourceType") or (None if held is None else type(held).__name__)
        yield Wrong("the draftOrders are no Bundle", "$.context.draftOrders", fix, "a Bundle", shown(got))
    elif not orders(one):
        yield Wrong("the draftOrders hold no order", "$.context.draftOrders.entry", fix, "at least one", "none")
    elif not as_object(held).get("type"):
        yield Wrong("the Bundle of draftOrders has no type", "$.context.draftOrders.type", fix, "collection",
                    "absent", "warn")  # fmt: skip


def _selected(_: Probe, one: Came) -> Iterable[Wrong]:
    held = one.context.get("selections")
    listed = as_list(held)
    known = {f"{order.get('resourceType')}/{order.get('id')}" for order in orders(one)}
    fix = "list the selected orders by type and id, as they stand in draftOrders"
    if not listed:
        yield Wrong(
            "the selections are no list of orders", "$.context.selections", fix, "MedicationRequest/1", shown(held)
        )
    for n, selection in enumerate(listed):
        if known and selection not in known:  # without any order: context.orders
            yield Wrong("a selection is not in draftOrders", f"$.context.selections[{n}]", fix,
                        "a reference of an order in draftOrders", shown(selection))  # fmt: skip


def _valid(_: Probe, one: Came) -> Iterable[Wrong]:
    for n, order in enumerate(orders(one)):
        if order.get("resourceType") != "MedicationRequest":
            continue
        try:
            check_shape(order, "MedicationRequest")
        except Refusal as refusal:
            yield Wrong("an order is not valid R4: what cannot be read is not judged",
                        f"$.context.draftOrders.entry[{n}].resource",
                        "send what is known so far in R4's own form; leave out what is not known yet",
                        "a valid MedicationRequest", shown(refusal.message), "warn")  # fmt: skip


def _drug(_: Probe, one: Came) -> Iterable[Wrong]:
    for n, order in enumerate(orders(one)):
        if order.get("resourceType") != "MedicationRequest":
            continue
        coded = as_list(as_object(order.get("medicationCodeableConcept")).get("coding"))
        named = any(as_object(coding).get("code") and as_object(coding).get("system") for coding in coded)
        if not named and not as_object(order.get("medicationReference")).get("reference"):
            yield Wrong("an order names no drug by a code", f"$.context.draftOrders.entry[{n}].resource",
                        "send medicationCodeableConcept with the drug's code and its system, or a medicationReference",
                        "a coded drug", "no code", "warn")  # fmt: skip


def _drafts(_: Probe, one: Came) -> Iterable[Wrong]:
    for n, order in enumerate(orders(one)):
        if order.get("status") != "draft":
            yield Wrong("an order that is being chosen is no draft",
                        f"$.context.draftOrders.entry[{n}].resource.status",
                        "send orders with status draft until they are signed", "draft",
                        shown(order.get("status")))  # fmt: skip


def _own(_: Probe, one: Came) -> Iterable[Wrong]:
    for n, order in enumerate(orders(one)):
        subject = str(as_object(order.get("subject")).get("reference", ""))
        if subject and subject.rpartition("Patient/")[2] != one.patient:
            yield Wrong("an order is another patient's than the context's",
                        f"$.context.draftOrders.entry[{n}].resource.subject",
                        "stop: send the orders of the patient in the context only", "the patient in the context",
                        "another patient")  # fmt: skip


def _selecting(probe: Probe) -> Sequence[Came]:
    return probe.of_hooks(_SELECT)


def _choosing(probe: Probe) -> Sequence[Came]:
    found = [one for one in _selecting(probe) if orders(one)]
    if not found:
        raise Untested("no call of order-select held an order")
    return found


CHECKS: tuple[Check[Probe], ...] = (
    Check("context.user", "The user", _GROUP, must.X1, "blocks-start", "ehr-team",
          each(_calls, _user, "the userId is a practitioner's reference")),
    Check("context.patient", "The patient", _GROUP, must.X2, "blocks-start", "ehr-team",
          each(_calls, _patient, "the patientId is an id")),
    Check("context.encounter", "The encounter", _GROUP, must.X3, "information", "ehr-team",
          each(_calls, _encounter, "any encounterId is an id")),
    Check("context.orders", "The orders", _GROUP, must.X4, "blocks-start", "ehr-team",
          each(_ordering, _bundle, "the draftOrders are a Bundle of orders")),
    Check("context.selections", "The selected orders", _GROUP, must.X5, "blocks-start", "ehr-team",
          each(_selecting, _selected, "all selections are in draftOrders")),
    Check("context.orders-valid", "Orders are valid R4", _GROUP, must.X7, "degrades", "ehr-team",
          each(_with_orders, _valid, "orders are valid R4")),
    Check("context.orders-coded", "Orders name their drug", _GROUP, must.X7, "degrades", "ehr-team",
          each(_with_orders, _drug, "orders name their drug by a code")),
    Check("context.orders-draft", "Orders being chosen are drafts", _GROUP, must.X6, "degrades", "ehr-team",
          each(_choosing, _drafts, "orders being chosen are drafts")),
    Check("context.orders-own", "Orders are the patient's", _GROUP, must.X8, "blocks-start", "ehr-team",
          each(_with_orders, _own, "orders are of the patient in the context")),
)  # fmt: skip
