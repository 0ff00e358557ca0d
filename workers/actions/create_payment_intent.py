"""`stripe/create-payment-intent`, from https://docs.stripe.com/api/payment_intents/create."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from contracts.actions import Action, ActionInput, ActionOutput

Currency = Annotated[str, Field(pattern=r"^[A-Za-z]{3}$", description="3-letter ISO currency code")]


class Input(ActionInput):
    """What to charge, and for whom. Stripe's own floor (about 0.50 USD) is Stripe's to judge."""

    amount: Annotated[int, Field(ge=1, description="in the currency's minor unit")]
    currency: Currency
    customer: str | None = None
    description: str | None = None
    receipt_email: str | None = None
    automatic_payment_methods_enabled: bool = True


class Output(ActionOutput):
    """The PaymentIntent, cut to the card's fields. `client_secret` is sensitive: mask it wherever a person looks."""

    id: str
    object: str
    amount: int
    currency: str
    status: str
    client_secret: str | None = Field(json_schema_extra={"x-sensitive": True})
    customer: str | None
    created: int


def params(given: Input) -> Mapping[str, Any]:
    sent = given.model_dump(exclude_none=True, exclude={"automatic_payment_methods_enabled"})
    sent["currency"] = given.currency.lower()
    return {**sent, "automatic_payment_methods": {"enabled": given.automatic_payment_methods_enabled}}


ACTION = Action(
    key="stripe/create-payment-intent",
    method="POST",
    path="/v1/payment_intents",
    makes="payment_intent",
    input=Input,
    output=Output,
    params=params,
    statuses=frozenset({400, 401, 402, 404, 409, 429, 500}),
)
