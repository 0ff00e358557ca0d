"""The values that other teams read and write: event, command, result.

The models are the published contract and the reader of what other teams write. What we write ourselves on hot paths
is built as a plain dict of the same shape, and a test holds the two together.

How a field that may have nothing to say is written: `X | None` is always there, and may be null; `LeftOut` is not
there, and never null.
"""

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from stripeline.contracts.action import explain
from stripeline.contracts.ids import COMMAND_ID, EVENT_ID
from stripeline.contracts.vocabulary import Code

EpochMs = Annotated[int, Field(ge=0, description="milliseconds since the epoch")]

Value = TypeVar("Value")
LeftOut: TypeAlias = Value | SkipJsonSchema[None]
"""A field of what we write that is left out, not null, where there is nothing to say."""


class Record(BaseModel):
    """A value that crosses a topic. Readers ignore fields that they do not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Event(Record):
    """A Stripe event on a family's topic, from https://docs.stripe.com/api/events/object.

    Deliveries may come twice and out of order: tell events apart by `id`. Fields may be added at any time.
    """

    id: Annotated[str, Field(pattern=EVENT_ID.pattern, description="Stripe's id of the event, `evt_…`: the same twice")]
    type: Annotated[
        str, Field(pattern=r"^[a-z0-9_.]{1,200}$", description="like `charge.refunded`; new types may come")
    ]
    api_version: Annotated[str | None, Field(description="the Stripe API version that `data` has the shape of")] = None
    created: Annotated[int, Field(ge=0, description="seconds since the epoch, by Stripe's clock")]
    livemode: Annotated[LeftOut[bool], Field(description="false for a test; left out when Stripe does not say")] = None
    data: Annotated[
        dict[str, Any], Field(description="the event's data object itself, as Stripe sent it, in `api_version`")
    ]
    request: Annotated[
        dict[str, Any] | None,
        Field(description="`id` and `idempotency_key` of the API call behind the event; null when there was none"),
    ] = None
    previous_attributes: Annotated[
        LeftOut[dict[str, Any]], Field(description="of an update: the changed fields of `data` as they were before")
    ] = None
    account: Annotated[LeftOut[str], Field(description="the connected account that the event is about, `acct_…`")] = (
        None
    )


class RunRef(Record):
    """The run and step that a command belongs to."""

    run_id: Annotated[str, Field(description="the run's id: its event's id, a colon, its workflow's name")]
    workflow: Annotated[str, Field(description="the workflow's name")]
    step: Annotated[str, Field(description="the step's id in the workflow")]


class Command(Record):
    """Something to do at Stripe. The same `command_id` under the same key is the same command.

    It is done once, however often it is sent, and ends with one result of revision 0.
    """

    command_id: Annotated[str, Field(pattern=COMMAND_ID.pattern, description="unique, chosen by the producer")]
    action: Annotated[str, Field(min_length=1, max_length=100, description="what to do, like `stripe/create-customer`")]
    connection: Annotated[
        str, Field(min_length=1, max_length=100, description="the connection whose Stripe account does it")
    ]
    input: Annotated[dict[str, Any], Field(description="the action's input: exactly its fields")]
    run: Annotated[RunRef | None, Field(description="the router's own; other teams leave it out")] = None
    not_after: Annotated[
        int | None, Field(ge=0, description="milliseconds since the epoch; later it is not done, and fails as EXPIRED")
    ] = None


class Error(Record):
    """Why a command failed. `code` is normalised; the rest is Stripe's own, where it said so."""

    code: Annotated[Code, Field(description="decide by this")]
    message: Annotated[str, Field(description="for a person; its words may change")]
    retryable: Annotated[
        bool,
        Field(description="whether the same call may succeed later; a failed command is not tried again by itself"),
    ]
    http_status: Annotated[LeftOut[int], Field(description="of Stripe's last answer; left out when there was none")] = (
        None
    )
    stripe_code: Annotated[LeftOut[str], Field(description="Stripe's `error.code`")] = None
    decline_code: Annotated[LeftOut[str], Field(description="the card issuer's reason")] = None
    request_id: Annotated[LeftOut[str], Field(description="Stripe's `Request-Id`, for its support")] = None


Status = Literal["succeeded", "failed", "indeterminate"]


class Result(Record):
    """How a command ended. Revision 0 is its end; a replay or a later settlement adds the next.

    Of two results of a command the higher revision holds.
    """

    command_id: Annotated[str, Field(description="the command's own")]
    revision: Annotated[int, Field(ge=0, description="0 when the command ends, one more each time that is corrected")]
    action: Annotated[str, Field(description="the command's own, known to us or not")]
    connection: Annotated[str, Field(description="the command's own")]
    status: Annotated[
        Status, Field(description="indeterminate: nobody knows whether it was done; a person decides, don't repeat it")
    ]
    output: Annotated[dict[str, Any] | None, Field(description="the action's output; null unless succeeded")] = None
    error: Annotated[Error | None, Field(description="null when succeeded")] = None
    attempts: Annotated[int, Field(ge=0, description="calls made; 0 when it was refused before any")]
    started_at: Annotated[EpochMs, Field(description="milliseconds since the epoch: when Kafka took the command")]
    finished_at: Annotated[EpochMs, Field(description="milliseconds since the epoch")]
    run: Annotated[RunRef | None, Field(description="the command's own; null for another team's")] = None


class Unreadable(Struct, frozen=True, kw_only=True):
    """A record that is not of its contract, with the reason in words that show no value of it."""

    reason: str


def parse_command(value: bytes | None) -> Command | Unreadable:
    """A command as another team wrote it."""
    if value is None:
        return Unreadable(reason="the record has no value")
    try:
        return Command.model_validate_json(value)
    except ValidationError as error:
        return Unreadable(reason=explain(error))
