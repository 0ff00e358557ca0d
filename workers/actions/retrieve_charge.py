"""`stripe/retrieve-charge`, from https://docs.stripe.com/api/charges/retrieve."""

from typing import Annotated

from pydantic import Field

from contracts.actions import Action, ActionInput, ActionOutput


class Input(ActionInput):
    """Which charge."""

    # It goes into the URL: a slash or a dot segment would ask for another resource.
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,255}$", description="a charge's id, `ch_…`")]


class Output(ActionOutput):
    """The charge, cut to the card's fields."""

    id: str
    object: str
    amount: int
    currency: str
    status: str
    customer: str | None
    paid: bool
    refunded: bool


ACTION = Action(
    key="stripe/retrieve-charge",
    method="GET",
    path="/v1/charges/{id}",
    makes="charge",
    input=Input,
    output=Output,
    statuses=frozenset({401, 404, 429, 500}),
)
