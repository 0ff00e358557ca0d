"""`stripe/retrieve-charge`, from https://docs.stripe.com/api/charges/retrieve."""

from typing import Annotated

from pydantic import ConfigDict, Field

from stripeline.contracts.action import Action, ActionInput, ActionOutput


class Input(ActionInput):
    """Which charge."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "ch_Example1"}]})

    # It goes into the URL: a slash or a dot segment would ask for another resource.
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,255}$", description="a charge's id, `ch_…`")]


class Output(ActionOutput):
    """The charge, cut to these fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "ch_Example1",
                    "object": "charge",
                    "amount": 6_200,
                    "currency": "eur",
                    "status": "succeeded",
                    "customer": None,
                    "paid": True,
                    "refunded": False,
                }
            ]
        },
    )

    id: Annotated[str, Field(description="the charge's id, `ch_…`")]
    object: Annotated[str, Field(description="`charge`")]
    amount: Annotated[int, Field(description="in the currency's minor unit")]
    currency: Annotated[str, Field(description="3-letter ISO currency code, in lower case")]
    status: Annotated[str, Field(description="`succeeded`, `pending` or `failed`")]
    customer: Annotated[str | None, Field(description="a customer's id, `cus_…`")]
    paid: Annotated[bool, Field(description="whether the charge succeeded, or was authorised for a later capture")]
    refunded: Annotated[bool, Field(description="whether the whole amount was refunded")]


ACTION = Action(
    key="stripe/retrieve-charge",
    method="GET",
    path="/v1/charges/{id}",
    makes="charge",
    input=Input,
    output=Output,
    statuses=frozenset({401, 404, 429, 500}),
)
