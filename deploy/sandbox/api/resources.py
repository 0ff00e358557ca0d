"""The tables of what the sandbox serves: one row an object. A new object is one more row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stripeline.deploy.sandbox.api import objects, params
from stripeline.deploy.sandbox.api.objects import Birth, Object
from stripeline.deploy.sandbox.api.params import Judge
from stripeline.deploy.sandbox.api.values import Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Objects of one kind, and the path under which they are."""

    path: str  # what follows the version
    object: str
    noun: str  # as in "No such payment_intent"
    prefix: str  # of its ids
    id_param: str = "id"  # what Stripe's 404 names as `param`
    version: str = "v1"
    right: str | None = None  # as a restricted key's permission names it; None: the object
    writes: frozenset[str] = frozenset()  # of a collection that a service answers for: what can be done to it

    @property
    def url(self) -> str:
        return f"/{self.version}/{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Collection):
    """Objects that are built of their parameters, and kept as they are."""

    build: Callable[[Birth, Params], Object]
    known: Mapping[str, Judge] | None = None  # None: not created over /v1
    required: tuple[str, ...] = ()
    search: frozenset[str] = field(default_factory=frozenset)  # docs.stripe.com/search: the fields of a query
    singleton: bool = False  # its parent has one: it is read by the parent's id, and a thin event names no id of it


ACCOUNT = Resource(path="accounts", object="account", noun="account", prefix="acct_", build=objects.account)
"""Not in the table: an account is known by its keys, it is never made. The list has those that are connected."""

EVENT = Collection(path="events", object="event", noun="event", prefix="evt_")
THIN_EVENT = Collection(
    version="v2", path="core/events", object="v2.core.event", noun="v2.core.event", prefix="evt_", right="event"
)
WEBHOOK_ENDPOINT = Collection(
    path="webhook_endpoints",
    object="webhook_endpoint",
    noun="webhook endpoint",
    prefix="we_1",
    id_param="webhook_endpoint",
    right="webhook",
    writes=frozenset({"create", "update", "delete"}),
)
EVENT_DESTINATION = Collection(
    version="v2",
    path="core/event_destinations",
    object="v2.core.event_destination",
    noun="v2.core.event_destination",
    prefix="ed_",
    right="event_destination",
    writes=frozenset({"create", "update", "delete", "enable", "disable", "ping"}),
)
SERVED = (EVENT, THIN_EVENT, WEBHOOK_ENDPOINT, EVENT_DESTINATION)
"""What a service of its own answers."""

RESOURCES: Mapping[str, Resource] = {
    row.path: row
    for row in (
        Resource(
            path="payment_intents",
            object="payment_intent",
            noun="payment_intent",
            prefix="pi_",
            id_param="intent",
            build=objects.payment_intent,
            known=params.PAYMENT_INTENT,
            required=("amount", "currency"),
            search=frozenset({"amount", "created", "currency", "customer", "metadata", "status"}),
        ),
        Resource(
            path="customers",
            object="customer",
            noun="customer",
            prefix="cus_",
            build=objects.customer,
            known=params.CUSTOMER,
            search=frozenset({"created", "email", "metadata", "name", "phone"}),
        ),
        Resource(path="charges", object="charge", noun="charge", prefix="ch_", build=objects.charge),
        Resource(path="disputes", object="dispute", noun="dispute", prefix="du_", build=objects.of_a_charge("dispute")),
        Resource(path="refunds", object="refund", noun="refund", prefix="re_", build=objects.of_a_charge("refund")),
        Resource(
            path="subscriptions",
            object="subscription",
            noun="subscription",
            prefix="sub_",
            build=objects.of_a_customer("subscription"),
        ),
    )
}

NESTED: Mapping[tuple[str, str], Resource] = {
    ("customers", row.path): row
    for row in (
        Resource(path="sources", object="source", noun="source", prefix="src_", build=objects.of_a_customer("source")),
        Resource(path="tax_ids", object="tax_id", noun="tax_id", prefix="txi_", build=objects.of_a_customer("tax_id")),
        Resource(
            path="discount",
            object="discount",
            noun="discount",
            prefix="di_",
            build=objects.of_a_customer("discount"),
            singleton=True,
        ),
    )
}
"""By the path of the parent and their own: `/v1/customers/{id}/sources/{id}`, `/v1/customers/{id}/discount`."""
