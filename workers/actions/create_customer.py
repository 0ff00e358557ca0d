"""`stripe/create-customer`, from https://docs.stripe.com/api/customers/create."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from stripeline.contracts.action import SENSITIVE, Action, ActionInput, ActionOutput, given_fields


class Input(ActionInput):
    """Who the customer is; Stripe asks for nothing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "ada@example.com", "name": "Ada Lovelace"}, {}]},
    )

    email: Annotated[str | None, Field(description="the customer's e-mail address", json_schema_extra=SENSITIVE)] = None
    name: Annotated[str | None, Field(description="full name or business name", json_schema_extra=SENSITIVE)] = None
    phone: Annotated[str | None, Field(description="the customer's phone number", json_schema_extra=SENSITIVE)] = None
    description: Annotated[str | None, Field(description="shown beside the customer in the dashboard")] = None


class Output(ActionOutput):
    """The customer, cut to these fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "cus_Example1",
                    "object": "customer",
                    "email": "ada@example.com",
                    "name": None,
                    "created": 1_790_000_000,
                }
            ]
        },
    )

    id: Annotated[str, Field(description="the customer's id, `cus_…`")]
    object: Annotated[str, Field(description="`customer`")]
    email: Annotated[str | None, Field(description="as Stripe keeps it", json_schema_extra=SENSITIVE)]
    name: Annotated[str | None, Field(description="as Stripe keeps it", json_schema_extra=SENSITIVE)]
    created: Annotated[int, Field(description="seconds since the epoch")]


def params(given: Input) -> Mapping[str, Any]:
    return given_fields(given)


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
