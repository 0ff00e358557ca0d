"""Builds the object that an event of a type is about, as it is at that time, and says where it is read. Pure."""

from collections.abc import Mapping
from typing import Any

from stripeline.deploy.sandbox.api.objects import Birth, Object, of_a_customer
from stripeline.deploy.sandbox.api.resources import NESTED, RESOURCES, Resource
from stripeline.deploy.sandbox.api.routes import singleton_id
from stripeline.deploy.sandbox.events.kept_events import RelatedPath
from stripeline.deploy.sandbox.events.twins import WITHOUT_OBJECT

SUBJECTS: Mapping[str, Resource] = {
    "payment_intent.": RESOURCES["payment_intents"],
    "charge.dispute.": RESOURCES["disputes"],
    "charge.refund.": RESOURCES["refunds"],
    "charge.": RESOURCES["charges"],
    "customer.subscription.": RESOURCES["subscriptions"],
    "customer.source.": NESTED["customers", "sources"],
    "customer.tax_id.": NESTED["customers", "tax_ids"],
    "customer.discount.": NESTED["customers", "discount"],
    "customer.": RESOURCES["customers"],
}
"""By the beginning of the type: the first that fits."""

STATES: Mapping[str, Mapping[str, Any]] = {
    "payment_intent.succeeded": {"status": "succeeded", "amount_received": 1000},
    "payment_intent.canceled": {"status": "canceled"},
    "payment_intent.processing": {"status": "processing"},
    "payment_intent.requires_action": {"status": "requires_action"},
    "payment_intent.amount_capturable_updated": {"status": "requires_capture"},
    "charge.failed": {"status": "failed", "paid": False, "captured": False},
    "charge.pending": {"status": "pending", "paid": False},
    "charge.refunded": {"refunded": True, "amount_refunded": 1000},
    "customer.subscription.deleted": {"status": "canceled"},
    "customer.subscription.paused": {"status": "paused"},
    "customer.subscription.past_due": {"status": "past_due"},
    "customer.subscription.trialing": {"status": "trialing"},
    "customer.subscription.unpaid": {"status": "unpaid"},
    "customer.subscription.incomplete": {"status": "incomplete"},
    "customer.subscription.incomplete_expired": {"status": "incomplete_expired"},
}
"""What a type says of its object."""

_SEED = {"amount": 1000, "currency": "usd"}


def subject_of(event_type: str) -> Resource:
    """An object of a family that the sandbox does not serve has the fields of all, and is read nowhere."""
    for beginning, resource in SUBJECTS.items():
        if event_type.startswith(beginning):
            return resource
    name = event_type.partition(".")[0]
    return Resource(path=f"{name}s", object=name, noun=name, prefix=f"{name[:2]}_", build=of_a_customer(name))


def object_of(event_type: str, birth: Birth, data: Mapping[str, Any]) -> Object:
    """`data`: fields that the test wants."""
    return {**subject_of(event_type).build(birth, _SEED), **STATES.get(event_type, {}), **data}


def related_of(event_type: str, made: Mapping[str, Any]) -> RelatedPath | None:
    """Where it is read, as a thin event names it."""
    if event_type in WITHOUT_OBJECT:
        return None
    resource = subject_of(event_type)
    above = f"{RESOURCES['customers'].url}/{made['customer']}/{resource.path}" if resource in NESTED.values() else None
    if resource.singleton:
        return RelatedPath(id=None, type=resource.object, url=str(above))
    return RelatedPath(id=made["id"], type=resource.object, url=f"{above or resource.url}/{made['id']}")


def stored_id(event_type: str, made: Mapping[str, Any]) -> str:
    """Under which the store has it."""
    resource = subject_of(event_type)
    return singleton_id(made["customer"], resource) if resource.singleton else str(made["id"])


def object_after(event_type: str, made: Object) -> Object | None:
    """What can be read of it later: a deleted customer says so, what else was deleted is gone."""
    if not event_type.endswith(".deleted") or event_type == "customer.subscription.deleted":
        return made
    if event_type == "customer.deleted":
        return {"id": made["id"], "object": made["object"], "deleted": True, "metadata": {}}
    return None
