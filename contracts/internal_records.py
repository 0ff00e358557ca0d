"""The records that only our own processes write and read: the executor's ledger, runs, settlements, key refusals.

One struct is the record's only definition. It encodes and decodes the JSON, and the published schema is made of it, so
that the compatibility gate compares every field that is really written.

- A field with a default is left out of the JSON where it has the default. A field without one is always there.
- A reader ignores fields that it does not know: the next version may add some.
- A value of a wrong type is an `UnreadableRecordError` with the field and the reason, never with the value.
- Times are milliseconds since the epoch. Where the JSON name lacks the unit, the Python name has it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts import stripe_metadata
from stripeline.contracts.action import SENSITIVE
from stripeline.contracts.vocabulary import Code

R = TypeVar("R", bound=Struct)

_SENSITIVE: Final = dict(SENSITIVE)
_CODES: Final[dict[str, Any]] = {"enum": [code.value for code in Code]}

EpochMs = Annotated[int, Meta(ge=0, description="milliseconds since the epoch")]
AsStripeSendsIt = Annotated[Any, Meta(description="as Stripe sends it", extra_json_schema=_SENSITIVE)]


class RecordedError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a command failed, as its result says it. A code that a newer executor may write is taken as it is."""

    code: Annotated[str, Meta(description="the error's code", extra_json_schema=_CODES)]
    message: Annotated[str, Meta(description="for a person")]
    retryable: Annotated[bool, Meta(description="whether the same call may succeed later")]
    http_status: Annotated[int | None, Meta(description="of Stripe's last answer")] = None
    stripe_code: Annotated[str | None, Meta(description="Stripe's `error.code`")] = None
    decline_code: Annotated[str | None, Meta(description="the card issuer's reason")] = None
    request_id: Annotated[str | None, Meta(description="Stripe's `Request-Id`")] = None


class LedgerRunRef(Struct, frozen=True, kw_only=True):
    """The run and step that a command belongs to."""

    run_id: Annotated[str, Meta(description="the run's id")]
    workflow: Annotated[str, Meta(description="the workflow's name")]
    step: Annotated[str, Meta(description="the step's id in the workflow")]


class ResultFacts(Struct, frozen=True, kw_only=True):
    """The fields of a result that come from the command's record: a settlement by webhook has no such record."""

    action: Annotated[str, Meta(description="the command's own")]
    connection: Annotated[str, Meta(description="the command's own")]
    run: Annotated[LedgerRunRef | None, Meta(description="the command's own")]
    key: Annotated[str | None, Meta(description="the record's key, a character for each byte")]
    attempts: Annotated[int, Meta(ge=0, description="calls made")]
    started_ms: EpochMs = msgspec.field(name="started_at")


class PendingFailure(Struct, frozen=True, kw_only=True):
    """The end of a command whose look-up finds nothing."""

    error: Annotated[RecordedError, Meta(description="the error of its result")]
    reason: Annotated[str | None, Meta(description="the reason of its dead letter; null for none")]


LedgerStatus = Literal["waiting", "succeeded", "failed", "indeterminate"]


class LedgerCommand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command that an executor knows, under `command/…`. Its digest keeps an id from being used twice."""

    status: Annotated[LedgerStatus, Meta(description="it waits in a tier, or how its newest result ended")]
    digest: Annotated[str, Meta(description="fingerprint of action, connection and input")]
    revision: Annotated[int, Meta(ge=0, description="of its newest result; of the next one while it waits")]
    at_ms: Annotated[
        EpochMs,
        Meta(description="milliseconds since the epoch: when this was written; of a command that waits or is"
             " indeterminate, when it was last attempted"),
    ] = msgspec.field(name="at")  # fmt: skip
    unknown: Annotated[bool, Meta(description="an attempt may have had its effect")] = False
    look_at_ms: Annotated[
        EpochMs | None,
        Meta(description="milliseconds since the epoch: from then on it is looked up at Stripe, not attempted"),
    ] = msgspec.field(default=None, name="look_at")
    looks: Annotated[int, Meta(ge=0, description="look-ups that failed")] = 0
    facts: Annotated[ResultFacts | None, Meta(description="while an effect is possible: a webhook may settle it")] = (
        msgspec.field(default=None, name="told")
    )
    turn_ms: Annotated[
        int | None, Meta(description="milliseconds since the epoch: its turn in the line of a connection at its limit")
    ] = msgspec.field(default=None, name="turn")
    failure: Annotated[PendingFailure | None, Meta(description="its end if its look-up finds nothing")] = None
    suspect: Annotated[bool, Meta(description="a worker that died may have attempted it")] = False


class LedgerQueue(Struct, frozen=True):
    """A key that waits behind a retry, under `queue/…`: three numbers, the waiting records are in the tiers."""

    head: Annotated[int, Meta(ge=0, description="the place whose turn it is")]
    tail: Annotated[int, Meta(ge=0, description="the next free place")]
    due_ms: Annotated[EpochMs, Meta(description="milliseconds since the epoch: when the head is due")] = msgspec.field(
        name="due_at"
    )


StepStatus = Literal["running", "succeeded", "failed", "indeterminate"]
RunStatus = Literal["running", "succeeded", "stopped"]


class RunStep(Struct, frozen=True, kw_only=True):
    """One step of a run, as far as it has come."""

    id: Annotated[str, Meta(description="the step's id in the workflow")]
    action: Annotated[str, Meta(description="what it does")]
    command_id: Annotated[str, Meta(description="of the command that does it")]
    revision: Annotated[int | None, Meta(description="of the result that is recorded here")]
    status: Annotated[StepStatus, Meta(description="its state")]
    output: Annotated[dict[str, Any] | None, Meta(description="the result's output", extra_json_schema=_SENSITIVE)]
    error: Annotated[RecordedError | None, Meta(description="the result's error")]
    started_ms: EpochMs = msgspec.field(name="started_at")
    finished_ms: Annotated[EpochMs | None, Meta(description="milliseconds since the epoch; null before its end")] = (
        msgspec.field(name="finished_at")
    )


class StepDefinition(Struct, frozen=True, kw_only=True):
    """A step as the workflow had it when the run started."""

    connection: Annotated[str, Meta(description="the connection of its command")]
    id: Annotated[str, Meta(description="the step's id in the workflow")]
    action: Annotated[str, Meta(description="what it does")]
    input: Annotated[dict[str, Any], Meta(description="a text that begins with `=` is an expression (CEL)")]


class Run(Struct, frozen=True, kw_only=True):
    """State and history of one run; the newest record of a run id is its state.

    `definition` and `context` are what a run in flight needs to go on: the steps that it started with and the event.
    """

    run_id: Annotated[str, Meta(description="the run's id: its event's id, a colon, its workflow's name")] = (
        msgspec.field(name="run")
    )
    workflow: Annotated[str, Meta(description="the workflow's name")]
    trigger: Annotated[str, Meta(description="the trigger's name")]
    event_id: Annotated[str, Meta(description="the event's id")] = msgspec.field(name="event")
    event_type: Annotated[str, Meta(description="the event's type")]
    status: Annotated[RunStatus, Meta(description="its state")]
    step: Annotated[str | None, Meta(description="the step where it is, or stopped; null before and after all steps")]
    error: Annotated[RecordedError | None, Meta(description="why it stopped")]
    steps: Annotated[tuple[RunStep, ...], Meta(description="the steps that have begun, in their order")]
    started_ms: EpochMs = msgspec.field(name="started_at")
    finished_ms: Annotated[EpochMs | None, Meta(description="milliseconds since the epoch; null before its end")] = (
        msgspec.field(name="finished_at")
    )
    definition: Annotated[
        tuple[StepDefinition, ...] | None,
        Meta(description="the steps that it started with; null when succeeded", extra_json_schema=_SENSITIVE),
    ]
    context: Annotated[
        dict[str, Any] | None,
        Meta(description="its event; null when succeeded", extra_json_schema=_SENSITIVE),
    ]


class KeyRefusal(Struct, frozen=True, kw_only=True):
    """Stripe refused a connection's key, under `state/…`. It holds until the key has another name."""

    key_name: Annotated[str, Meta(description="a name of the key, which says nothing about it")] = msgspec.field(
        name="refused_key"
    )
    since_ms: EpochMs = msgspec.field(name="since")


class ObjectMetadata(Struct, frozen=True, kw_only=True):
    """What the executor wrote on the object that it made."""

    command_id: Annotated[str, Meta(description="the command's id")] = msgspec.field(name=stripe_metadata.COMMAND)
    partition: Annotated[str, Meta(description="the partition of the command's task")] = msgspec.field(
        name=stripe_metadata.PARTITION
    )


class Settlement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Stripe object that one of our commands made, as a webhook brought it: from the router to that command's task.

    It is on the command topic with the header `stripeline-settles`. It is not a command: others skip it.
    """

    metadata: Annotated[ObjectMetadata, Meta(description="what names the command")]
    email: AsStripeSendsIt = None
    name: AsStripeSendsIt = None
    phone: AsStripeSendsIt = None
    receipt_email: AsStripeSendsIt = None
    client_secret: AsStripeSendsIt = None


class UnreadableRecordError(ValueError):
    """A record that is not what its struct says; the text names the field and the reason, and shows no value."""


encode = msgspec.json.Encoder().encode
"""A record as the value that goes to Kafka."""


def read(kind: type[R], value: bytes) -> R:
    """A record out of its value. Raises UnreadableRecordError."""
    try:
        record: R = _decoder(kind).decode(value)
    except msgspec.DecodeError as error:
        raise UnreadableRecordError(f"{kind.__name__}: {explain(error)}") from None
    return record


@lru_cache(maxsize=32)
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def explain(error: msgspec.DecodeError) -> str:
    """What is wrong and where, without the value: msgspec quotes one that is none of an enum's."""
    return re.sub(r"(Invalid enum value) .*?( - at `[^`]*`)?$", r"\1\2", str(error), flags=re.DOTALL)


def metadata_of(found: Mapping[str, Any]) -> ObjectMetadata | None:
    """The command that made a Stripe object; None for an object that no command of ours made."""
    try:
        return msgspec.convert(found.get("metadata"), ObjectMetadata)
    except msgspec.ValidationError:
        return None
