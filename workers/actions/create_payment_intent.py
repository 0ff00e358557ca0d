"""`stripe/create-payment-intent`, from https://docs.stripe.com/api/payment_intents/create."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from stripeline.contracts.action import SENSITIVE, Action, ActionInput, ActionOutput, Spend, given_fields

Currency = Annotated[str, Field(pattern=r"^[A-Za-z]{3}$", description="3-letter ISO currency code")]


class Input(ActionInput):
    """What to charge, and for whom. Stripe's own floor (about 0.50 USD) is Stripe's to judge."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"amount": 6_200, "currency": "eur", "customer": "cus_Example1", "receipt_email": "ada@example.com"},
                {"amount": 50, "currency": "USD", "automatic_payment_methods_enabled": False},
            ]
        },
    )

    amount: Annotated[int, Field(ge=1, description="in the currency's minor unit")]
    currency: Currency
    customer: Annotated[str | None, Field(description="a customer's id, `cus_…`")] = None
    description: Annotated[str | None, Field(description="shown to the customer on receipts")] = None
    receipt_email: Annotated[
        str | None, Field(description="where Stripe sends the receipt", json_schema_extra=SENSITIVE)
    ] = None
    automatic_payment_methods_enabled: Annotated[
        bool, Field(description="offer every payment method that the account has switched on")
    ] = True


class Output(ActionOutput):
    """The PaymentIntent, cut to these fields. `client_secret` is sensitive: mask it wherever a person looks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "pi_Example1",
                    "object": "payment_intent",
                    "amount": 6_200,
                    "currency": "eur",
                    "status": "requires_payment_method",
                    "client_secret": "pi_Example1_secret_Example",
                    "customer": "cus_Example1",
                    "created": 1_790_000_000,
                }
            ]
        },
    )

    id: Annotated[str, Field(description="the PaymentIntent's id, `pi_…`")]
    object: Annotated[str, Field(description="`payment_intent`")]
    amount: Annotated[int, Field(description="in the currency's minor unit")]
    currency: Annotated[str, Field(description="3-letter ISO currency code, in lower case")]
    status: Annotated[str, Field(description="Stripe's status of the PaymentIntent, like `requires_payment_method`")]
    client_secret: Annotated[
        str | None,
        Field(description="lets a browser complete the payment: never log or store it", json_schema_extra=SENSITIVE),
    ]
    customer: Annotated[str | None, Field(description="a customer's id, `cus_…`")]
    created: Annotated[int, Field(description="seconds since the epoch")]


def params(given: Input) -> Mapping[str, Any]:
    sent = given_fields(given)
    enabled = sent.pop("automatic_payment_methods_enabled")
    return {**sent, "currency": given.currency.lower(), "automatic_payment_methods": {"enabled": enabled}}


def spends(sent: Mapping[str, Any]) -> Spend | None:
    return Spend(sent["currency"], sent["amount"])


ACTION = Action(
    key="stripe/create-payment-intent",
    method="POST",
    path="/v1/payment_intents",
    makes="payment_intent",
    input=Input,
    output=Output,
    params=params,
    spends=spends,
    statuses=frozenset({400, 401, 402, 404, 409, 429, 500}),
)
