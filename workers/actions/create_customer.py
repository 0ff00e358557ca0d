"""`stripe/create-customer`, from https://docs.stripe.com/api/customers/create."""

from collections.abc import Mapping
from typing import Any

from contracts.actions import Action, ActionInput, ActionOutput


class Input(ActionInput):
    """Who the customer is; Stripe asks for nothing."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    description: str | None = None


class Output(ActionOutput):
    """The customer, cut to the card's fields."""

    id: str
    object: str
    email: str | None
    name: str | None
    created: int


def params(given: Input) -> Mapping[str, Any]:
    return given.model_dump(exclude_none=True)


ACTION = Action(
    key="stripe/create-customer",
    method="POST",
    path="/v1/customers",
    makes="customer",
    input=Input,
    output=Output,
    params=params,
    statuses=frozenset({400, 401, 409, 429, 500}),
)
