"""The values that cross the topics: event, command, result, run.

The models are the published contract and the reader of what other teams write. What we write ourselves on hot paths
is built as a plain dict of the same shape, and a test holds the two together.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.actions import explain
from contracts.errors import Code

EpochMs = Annotated[int, Field(ge=0, description="milliseconds since the epoch")]


class Record(BaseModel):
    """A value that crosses a topic. Readers ignore fields that they do not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Event(Record):
    """A Stripe event on a family's topic, from https://docs.stripe.com/api/events/object."""

    id: str
    type: str
    api_version: str | None = None
    created: Annotated[int, Field(description="seconds since the epoch")]
    livemode: bool | None = None
    data: Annotated[dict[str, Any], Field(description="the event's data object itself")]
    request: dict[str, Any] | None = None
    previous_attributes: dict[str, Any] | None = None
    account: str | None = None


class RunRef(Record):
    """The run and step that a command belongs to."""

    run_id: str
    workflow: str
    step: str


class Command(Record):
    """Something to do at Stripe. The same `command_id` under the same key is the same command."""

    command_id: Annotated[str, Field(pattern=r"^[!-~]{1,200}$", description="unique, chosen by the producer")]
    action: Annotated[str, Field(min_length=1, max_length=100)]
    connection: Annotated[str, Field(min_length=1, max_length=100)]
    input: dict[str, Any]
    run: RunRef | None = None
    not_after: Annotated[int | None, Field(ge=0, description="milliseconds since the epoch")] = None


class Error(Record):
    """Why a command failed. `code` is normalised; the rest is Stripe's own, where it said so."""

    code: Code
    message: str
    retryable: bool
    http_status: int | None = None
    stripe_code: str | None = None
    decline_code: str | None = None
    request_id: str | None = None


Status = Literal["succeeded", "failed", "indeterminate"]


class Result(Record):
    """How a command ended. Revision 0 is its end; a replay or a later settlement adds the next."""

    command_id: str
    revision: Annotated[int, Field(ge=0)]
    action: str
    connection: str
    status: Status
    output: dict[str, Any] | None = None
    error: Error | None = None
    attempts: Annotated[int, Field(ge=0)]
    started_at: EpochMs
    finished_at: EpochMs
    run: RunRef | None = None


class RunStep(Record):
    """One step of a run, as far as it has come."""

    id: str
    action: str
    command_id: str
    revision: Annotated[int | None, Field(description="of the result that is told here")] = None
    status: Literal["running", "succeeded", "failed", "indeterminate"]
    output: dict[str, Any] | None = None
    error: Error | None = None
    started_at: EpochMs
    finished_at: EpochMs | None = None


class Run(Record):
    """State and history of one run; the newest record of a run id is its state.

    `definition` and `context` are what a run in flight needs to go on: the steps that it started with and the event.
    """

    run: str
    workflow: str
    trigger: str
    event: str
    event_type: str
    status: Literal["running", "succeeded", "stopped"]
    step: str | None
    error: Error | None
    steps: list[RunStep]
    started_at: EpochMs
    finished_at: EpochMs | None
    definition: list[dict[str, Any]] | None = None
    context: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
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
