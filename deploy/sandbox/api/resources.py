"""The table of what the sandbox serves under /v1: one row an object. A new object is one more row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stripeline.deploy.sandbox.api import objects, params
from stripeline.deploy.sandbox.api.objects import Birth, Object
from stripeline.deploy.sandbox.api.params import Judge
from stripeline.deploy.sandbox.api.values import Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    path: str  # the segment after /v1
    object: str
    noun: str  # as in "No such payment_intent"
    prefix: str  # of its ids
    id_param: str  # what Stripe's 404 names as `param`
    build: Callable[[Birth, Params], Object]
    known: Mapping[str, Judge] | None = None  # None: not created over /v1
    required: tuple[str, ...] = ()
    search: frozenset[str] = field(default_factory=frozenset)  # docs.stripe.com/search: the fields of a query


ACCOUNT = Resource(
    path="accounts", object="account", noun="account", prefix="acct_", id_param="account", build=objects.account
)
"""Not in the table: an account is known by its keys, it is neither listed nor made."""

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
            id_param="id",
            build=objects.customer,
            known=params.CUSTOMER,
            search=frozenset({"created", "email", "metadata", "name", "phone"}),
        ),
        Resource(
            path="charges",
            object="charge",
            noun="charge",
            prefix="ch_",
            id_param="id",
            build=objects.charge,
        ),
    )
}
