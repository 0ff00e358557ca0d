"""The values that other teams read and write: event, command, result.

The models are the published contract, and they parse what other teams write. On hot paths our own records are built as
plain dicts of the same shape; a test compares the two.

An optional field is either `X | None`, which is always present and may be null, or `LeftOut`, which is absent instead
of null.
"""

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from msgspec import Struct
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from stripeline.contracts import effect_trail
from stripeline.contracts.action import explain
from stripeline.contracts.effect_trail import MAX_HOPS_SENT
from stripeline.contracts.ids import ACCOUNT_ID, CHAIN_ENTRY, COMMAND_ID, EVENT_ID
from stripeline.contracts.vocabulary import Code

EpochMs = Annotated[int, Field(ge=0, description="milliseconds since the epoch")]

Value = TypeVar("Value")
LeftOut: TypeAlias = Value | SkipJsonSchema[None]
"""A field that we omit, instead of writing null, when it has no value."""


class Record(BaseModel):
    """The value of a record. Readers ignore unknown fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Event(Record):
    """A Stripe event on a family's topic, from https://docs.stripe.com/api/events/object.

    Events may arrive twice and out of order: deduplicate by `id`. Fields may be added at any time.
    """

    id: Annotated[
        str, Field(pattern=EVENT_ID.pattern, description="Stripe's id of the event, `evt_…`; equal in duplicates")
    ]
    type: Annotated[
        str, Field(pattern=r"^[a-z0-9_.]{1,200}$", description="such as `charge.refunded`; new types may be added")
    ]
    api_version: Annotated[str | None, Field(description="the Stripe API version of the shape of `data`")] = None
    created: Annotated[int, Field(ge=0, description="seconds since the epoch, by Stripe's clock")]
    livemode: Annotated[LeftOut[bool], Field(description="false for a test; omitted if Stripe omits it")] = None
    data: Annotated[
        dict[str, Any], Field(description="the event's data object, as Stripe sent it, in the shape of `api_version`")
    ]
    request: Annotated[
        dict[str, Any] | None,
        Field(description="`id` and `idempotency_key` of the API call that caused the event; null if there was none"),
    ] = None
    previous_attributes: Annotated[
        LeftOut[dict[str, Any]], Field(description="for an update: the former values of the changed fields of `data`")
    ] = None
    account: Annotated[LeftOut[str], Field(description="the connected account that the event is about, `acct_…`")] = (
        None
    )
    context: Annotated[
        LeftOut[str], Field(description="the account, or the path of accounts in an organisation, of the event")
    ] = None


def _fitting(chain: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if not effect_trail.fits(chain or ()):
        raise ValueError(f"the chain is longer than {effect_trail.MAX_CHAIN_LENGTH} characters")
    return chain


class RunRef(Record):
    """The run and step that a command belongs to."""

    run_id: Annotated[str, Field(description="the run's id: its event's id, a colon, its workflow's name")]
    workflow: Annotated[str, Field(description="the workflow's name")]
    step: Annotated[str, Field(description="the step's id in the workflow")]


class Command(Record):
    """A Stripe action to execute. The same `command_id` under the same key is the same command.

    It is executed once, however often it is sent, and ends with one result of revision 0.
    """

    command_id: Annotated[str, Field(pattern=COMMAND_ID.pattern, description="unique, chosen by the producer")]
    action: Annotated[
        str, Field(min_length=1, max_length=100, description="the action, such as `stripe/create-customer`")
    ]
    connection: Annotated[
        str, Field(min_length=1, max_length=100, description="the connection, which selects the Stripe account")
    ]
    input: Annotated[dict[str, Any], Field(description="the action's input, with exactly its fields")]
    account: Annotated[
        str | None,
        Field(pattern=ACCOUNT_ID.pattern, description="the connected account to act for; null: the connection's own"),
    ] = None
    run: Annotated[RunRef | None, Field(description="set by the router; other teams omit it")] = None
    supersedes: Annotated[
        str | None,
        Field(
            pattern=COMMAND_ID.pattern,
            description="set by the router on a step's retry: the step's former command, which is never done again",
        ),
    ] = None
    livemode: Annotated[
        bool | None,
        Field(description="set by the router: the mode of the run's event; a connection of the other mode refuses it"),
    ] = None
    chain: Annotated[
        tuple[Annotated[str, Field(pattern=CHAIN_ENTRY.pattern)], ...] | None,
        Field(max_length=20, description="set by the router: `installation/workflow` of each run that led to it"),
        AfterValidator(_fitting),
    ] = None
    hops: Annotated[
        int | None,
        Field(ge=0, le=MAX_HOPS_SENT, description="set by the router: how many of our effects led to the run's event"),
    ] = None
    not_after: Annotated[
        int | None,
        Field(
            ge=0,
            description="milliseconds since the epoch; after that the command is not executed and fails with EXPIRED",
        ),
    ] = None


class Error(Record):
    """Why a command failed. `code` is normalised; the other fields are Stripe's, if it sent them."""

    code: Annotated[Code, Field(description="the normalised code, to decide by")]
    message: Annotated[str, Field(description="for people; the wording may change")]
    retryable: Annotated[
        bool,
        Field(description="whether the same call may succeed later; a failed command is not retried automatically"),
    ]
    http_status: Annotated[
        LeftOut[int], Field(description="the status of Stripe's last answer; omitted if there was none")
    ] = None
    stripe_code: Annotated[LeftOut[str], Field(description="Stripe's `error.code`")] = None
    decline_code: Annotated[LeftOut[str], Field(description="the card issuer's reason")] = None
    request_id: Annotated[LeftOut[str], Field(description="Stripe's `Request-Id`, for its support")] = None


Status = Literal["succeeded", "failed", "indeterminate"]


class Result(Record):
    """The outcome of a command. It ends with revision 0; a replay or a later settlement adds the next.

    The result with the highest revision is valid.
    """

    command_id: Annotated[str, Field(description="the command's id")]
    revision: Annotated[int, Field(ge=0, description="0 when the command ends, and one more for each correction")]
    action: Annotated[str, Field(description="the command's action, even if it is unknown")]
    connection: Annotated[str, Field(description="the command's connection")]
    account: Annotated[
        LeftOut[str], Field(description="the connected account that the command named; omitted if it named none")
    ] = None
    status: Annotated[
        Status,
        Field(description="indeterminate: it is unknown whether it was executed; a person decides, do not repeat it"),
    ]
    output: Annotated[dict[str, Any] | None, Field(description="the action's output; null unless succeeded")] = None
    error: Annotated[Error | None, Field(description="null when succeeded")] = None
    attempts: Annotated[int, Field(ge=0, description="the number of calls; 0 if it was refused before the first")]
    started_at: Annotated[EpochMs, Field(description="milliseconds since the epoch: when Kafka took the command")]
    finished_at: Annotated[EpochMs, Field(description="milliseconds since the epoch")]
    run: Annotated[RunRef | None, Field(description="the command's run; null for another team's command")] = None


class Unreadable(Struct, frozen=True, kw_only=True):
    """A record that violates its contract, with a reason that shows no value."""

    reason: str


def parse_command(value: bytes | None) -> Command | Unreadable:
    """A command as another team wrote it."""
    if value is None:
        return Unreadable(reason="the record has no value")
    try:
        return Command.model_validate_json(value)
    except ValidationError as error:
        return Unreadable(reason=explain(error))
