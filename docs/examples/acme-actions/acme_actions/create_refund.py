"""`acme/create-refund`, from https://docs.stripe.com/api/refunds/create."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from stripeline.contracts.action import Action, ActionInput, ActionOutput, given_fields


class Input(ActionInput):
    """Which payment to refund, and how much of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"payment_intent": "pi_Example1", "amount": 1_200, "reason": "requested_by_customer"},
                {"payment_intent": "pi_Example1"},
            ]
        },
    )

    payment_intent: Annotated[str, Field(pattern=r"^pi_[A-Za-z0-9]+$", description="the PaymentIntent's id, `pi_…`")]
    amount: Annotated[int | None, Field(ge=1, description="in the currency's minor unit; all of it without")] = None
    reason: Annotated[
        Literal["duplicate", "fraudulent", "requested_by_customer"] | None, Field(description="why, as Stripe has it")
    ] = None


class Output(ActionOutput):
    """The refund, cut to these fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "re_Example1",
                    "object": "refund",
                    "amount": 1_200,
                    "currency": "eur",
                    "status": "succeeded",
                    "payment_intent": "pi_Example1",
                    "created": 1_790_000_000,
                }
            ]
        },
    )

    id: Annotated[str, Field(description="the refund's id, `re_…`")]
    object: Annotated[str, Field(description="`refund`")]
    amount: Annotated[int, Field(description="in the currency's minor unit")]
    currency: Annotated[str, Field(description="3-letter ISO currency code, in lower case")]
    status: Annotated[
        str | None, Field(description="`pending`, `requires_action`, `succeeded`, `failed` or `canceled`")
    ]
    payment_intent: Annotated[str | None, Field(description="the PaymentIntent's id, `pi_…`")]
    created: Annotated[int, Field(description="seconds since the epoch")]


def params(given: Input) -> Mapping[str, Any]:
    """The input as Stripe's parameters."""
    return given_fields(given)


ACTION = Action(
    key="acme/create-refund",
    method="POST",
    path="/v1/refunds",  # a call whose answer was lost is looked up in this list, by the command's id in the metadata
    makes="refund",
    input=Input,
    output=Output,
    params=params,
    statuses=frozenset({400, 401, 402, 404, 409, 429, 500}),
)
