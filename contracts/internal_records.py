"""The records that only Stripeline writes and reads: the executor's ledger, runs, audit.

Each struct is the only definition of its record. It encodes and decodes the JSON, and the published schema is derived
from it, so the compatibility gate compares every field that is written.

- A field with a default is omitted from the JSON while it has that default. A field without one is always present.
- Readers ignore unknown fields: the next version may add some.
- A value of a wrong type raises `UnreadableRecordError` with the field and the reason, never with the value.
- Times are milliseconds since the epoch. If the JSON name lacks the unit, the Python name has it.
"""

import re
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts.action import SENSITIVE
from stripeline.contracts.vocabulary import AuditedAct, Code, RunCode

R = TypeVar("R", bound=Struct)
_SENSITIVE: Final = dict(SENSITIVE)
_CODES: Final[dict[str, Any]] = {"enum": [code.value for code in (*Code, *RunCode)]}
_ACTS: Final[dict[str, Any]] = {"enum": [act.value for act in AuditedAct]}
_Masked = Annotated[dict[str, Any] | None, Meta(extra_json_schema=_SENSITIVE)]

EpochMs = Annotated[int, Meta(ge=0, description="milliseconds since the epoch")]


class RecordedError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a command failed, as in its result. Codes of a newer executor are accepted."""

    code: Annotated[str, Meta(description="the error's code", extra_json_schema=_CODES)]
    message: Annotated[str, Meta(description="for people")]
    retryable: Annotated[bool, Meta(description="whether the same call may succeed later")]
    http_status: Annotated[int | None, Meta(description="the status of Stripe's last answer")] = None
    stripe_code: Annotated[str | None, Meta(description="Stripe's `error.code`")] = None
    decline_code: Annotated[str | None, Meta(description="the card issuer's reason")] = None
    request_id: Annotated[str | None, Meta(description="Stripe's `Request-Id`")] = None


class LedgerRunRef(Struct, frozen=True, kw_only=True):
    """The run and step that a command belongs to."""

    run_id: Annotated[str, Meta(description="the run's id")]
    workflow: Annotated[str, Meta(description="the workflow's name")]
    step: Annotated[str, Meta(description="the step's id in the workflow")]


class ResultFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of a result that come from the command's record, for a settlement, which does not have that record."""

    action: Annotated[str, Meta(description="the command's action")]
    connection: Annotated[str, Meta(description="the command's connection")]
    run: Annotated[LedgerRunRef | None, Meta(description="the command's run")]
    key: Annotated[str | None, Meta(description="the record's key, one character per byte")]
    attempts: Annotated[int, Meta(ge=0, description="the number of calls")]
    started_ms: EpochMs = msgspec.field(name="started_at")
    account: Annotated[str | None, Meta(description="the connected account that the command named")] = None


class PendingFailure(Struct, frozen=True, kw_only=True):
    """How a command ends if its look-up finds nothing."""

    error: Annotated[RecordedError, Meta(description="the error of its result")]
    reason: Annotated[str | None, Meta(description="the reason of its dead letter; null for none")]


class LastAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What Stripe last answered to an attempt: who must decide about the command needs it for Stripe's support."""

    http_status: Annotated[int, Meta(description="its status")]
    stripe_code: Annotated[str | None, Meta(description="Stripe's `error.code`")] = None
    decline_code: Annotated[str | None, Meta(description="the card issuer's reason")] = None
    request_id: Annotated[str | None, Meta(description="Stripe's `Request-Id`")] = None


class Tried(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Under which account and mode a command was attempted."""

    mode: Annotated[Literal["live", "test"], Meta(description="the mode of the key")]
    account: Annotated[str | None, Meta(description="the key's account; absent while nobody knows it")] = None


LedgerStatus = Literal["waiting", "succeeded", "failed", "indeterminate", "superseded"]


class LedgerCommand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command that the executor knows, under `command/…`. The digest detects an id that is used twice."""

    status: Annotated[LedgerStatus, Meta(description="waiting, the status of its newest result, or never done again")]
    digest: Annotated[str, Meta(description="fingerprint of action, connection and input")]
    revision: Annotated[
        int, Meta(ge=0, description="the revision of its newest result, or of the next one while it waits")
    ]
    at_ms: Annotated[
        EpochMs,
        Meta(description="milliseconds since the epoch: when this was written; for a waiting or indeterminate command,"
             " when it was last attempted"),
    ] = msgspec.field(name="at")  # fmt: skip
    unknown: Annotated[bool, Meta(description="an attempt may have had its effect")] = False
    look_at_ms: Annotated[
        EpochMs | None,
        Meta(description="milliseconds since the epoch: from then on it is looked up at Stripe instead of attempted"),
    ] = msgspec.field(default=None, name="look_at")
    looks: Annotated[int, Meta(ge=0, description="the number of failed look-ups")] = 0
    facts: Annotated[
        ResultFacts | None, Meta(description="present while an effect is possible, for a settlement by webhook")
    ] = msgspec.field(default=None, name="told")
    turn_ms: Annotated[
        int | None,
        Meta(description="milliseconds since the epoch: its reserved turn, if its connection is at its limit"),
    ] = msgspec.field(default=None, name="turn")
    failure: Annotated[PendingFailure | None, Meta(description="how it ends if its look-up finds nothing")] = None
    suspect: Annotated[bool, Meta(description="a worker that crashed may have attempted it")] = False
    answer: Annotated[
        LastAnswer | None, Meta(description="Stripe's last answer to an attempt, while it is not known how it ended")
    ] = None
    tried_ms: Annotated[
        EpochMs | None,
        Meta(description="milliseconds since the epoch: no attempt can be older; absent where there was none"),
    ] = msgspec.field(default=None, name="tried_at")
    tried: Annotated[Tried | None, Meta(description="whose key its newest attempt was made with")] = None
    cancelled: Annotated[bool, Meta(description="it ends without an attempt, since its run was cancelled")] = False
    superseded_by: Annotated[str | None, Meta(description="the id of the command that was begun in its place")] = None


class LedgerQueue(Struct, frozen=True):
    """The queue of a key behind a retry, under `queue/…`. The waiting records themselves are in the tiers."""

    head: Annotated[int, Meta(ge=0, description="the place that may run next")]
    tail: Annotated[int, Meta(ge=0, description="the next free place")]
    due_ms: Annotated[EpochMs, Meta(description="milliseconds since the epoch: when the head is due")] = msgspec.field(
        name="due_at"
    )


StepStatus = Literal["running", "succeeded", "failed", "indeterminate"]
RunStatus = Literal["running", "succeeded", "stopped", "cancelled"]


class StepDefinition(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step as defined when the run started, or was retried."""

    connection: Annotated[str, Meta(description="the connection of its command")]
    id: Annotated[str, Meta(description="the step's id in the workflow")]
    action: Annotated[str, Meta(description="the step's action")]
    input: Annotated[dict[str, Any], Meta(description="a string that starts with `=` is a CEL expression")]
    account: Annotated[str | None, Meta(description="the connected account of its command")] = None


class FormerCommand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The command of a step that a newer one is to supersede, until the executor has begun or refused the newer one.

    Until then a result of either counts, and the step can be taken back to this command.
    """

    id: Annotated[str, Meta(description="the step's id in the workflow")]
    action: Annotated[str, Meta(description="the step's action")]
    command_id: Annotated[str, Meta(description="the command's id")]
    revision: Annotated[int | None, Meta(description="the revision of the result recorded here")]
    status: Annotated[StepStatus, Meta(description="how it ended")]
    error: Annotated[RecordedError | None, Meta(description="the result's error")]
    started_ms: EpochMs = msgspec.field(name="started_at")
    finished_ms: Annotated[EpochMs | None, Meta(description="milliseconds since the epoch")] = msgspec.field(
        name="finished_at"
    )
    digest: Annotated[
        str | None, Meta(description="fingerprint of the command, where the connection takes only commands of runs")
    ] = None
    definition: Annotated[
        tuple[StepDefinition, ...] | None,
        Meta(description="the run's steps before the retry; absent where they are the same",
             extra_json_schema=_SENSITIVE),
    ] = None  # fmt: skip


class RunStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one step of a run."""

    id: Annotated[str, Meta(description="the step's id in the workflow")]
    action: Annotated[str, Meta(description="the step's action")]
    command_id: Annotated[str, Meta(description="the id of its command")]
    revision: Annotated[int | None, Meta(description="the revision of the result recorded here")]
    status: Annotated[StepStatus, Meta(description="its state")]
    output: Annotated[dict[str, Any] | None, Meta(description="the result's output", extra_json_schema=_SENSITIVE)]
    error: Annotated[RecordedError | None, Meta(description="the result's error")]
    started_ms: EpochMs = msgspec.field(name="started_at")
    finished_ms: Annotated[EpochMs | None, Meta(description="milliseconds since the epoch; null before its end")] = (
        msgspec.field(name="finished_at")
    )
    digest: Annotated[
        str | None, Meta(description="fingerprint of its command, where the connection takes only commands of runs")
    ] = None
    number: Annotated[int, Meta(ge=1, description="the number of commands that this step has had")] = 1
    former: Annotated[
        FormerCommand | None, Meta(description="the command that this one is to supersede, until that is decided")
    ] = None


class Run(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State and history of one run; the newest record of a run id is its state.

    A run in progress needs `definition` and `context` to continue: the steps it started with, and its event.
    """

    run_id: Annotated[str, Meta(description="the run's id: its event's id, a colon, its workflow's name")] = (
        msgspec.field(name="run")
    )
    workflow: Annotated[str, Meta(description="the workflow's name")]
    trigger: Annotated[str, Meta(description="the trigger's name")]
    event_id: Annotated[str, Meta(description="the event's id")] = msgspec.field(name="event")
    event_type: Annotated[str, Meta(description="the event's type")]
    status: Annotated[RunStatus, Meta(description="its state")]
    step: Annotated[
        str | None,
        Meta(description="the current step, or the one where it stopped; null before the first and after the last"),
    ]
    error: Annotated[RecordedError | None, Meta(description="why it stopped")]
    steps: Annotated[tuple[RunStep, ...], Meta(description="the steps that have started, in order")]
    started_ms: EpochMs = msgspec.field(name="started_at")
    finished_ms: Annotated[EpochMs | None, Meta(description="milliseconds since the epoch; null before its end")] = (
        msgspec.field(name="finished_at")
    )
    definition: Annotated[
        tuple[StepDefinition, ...] | None,
        Meta(description="the steps it started with; null once it succeeded", extra_json_schema=_SENSITIVE),
    ]
    context: Annotated[
        dict[str, Any] | None,
        Meta(description="its event; null once it succeeded", extra_json_schema=_SENSITIVE),
    ]
    account: Annotated[str | None, Meta(description="the account of its event, if the event names one")] = None
    connection: Annotated[str | None, Meta(description="the connection of its trigger")] = None
    note: Annotated[
        str | None, Meta(description="what a person should know of their newest act on it, such as why it was refused")
    ] = None
    key: Annotated[
        str | None,
        Meta(description="the key of all its commands, one character per byte: its event's, or its id where that has"
             " none"),
    ] = None  # fmt: skip
    chain: Annotated[
        tuple[str, ...] | None,
        Meta(description="`installation/workflow` of each run that led to it, its own the last"),
    ] = None
    hops: Annotated[int, Meta(ge=0, description="how many of our effects led to its event")] = 0
    erased_ms: Annotated[
        EpochMs | None, Meta(description="milliseconds since the epoch: when its personal data was erased")
    ] = msgspec.field(default=None, name="erased_at")


class OffsetRange(Struct, frozen=True, kw_only=True):
    """Records of one partition."""

    topic: Annotated[str, Meta(description="the topic")]
    partition: Annotated[int, Meta(ge=0, description="the partition number")]
    first: Annotated[int, Meta(ge=0, description="the first offset")]
    last: Annotated[int, Meta(ge=0, description="the last offset")]


class AuditRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person did, or the executor to a dead letter, on the audit topic: written with the act, or before it."""

    act: Annotated[str, Meta(description="what was done", extra_json_schema=_ACTS)]
    by: Annotated[str, Meta(description="who did it")]
    why: Annotated[str, Meta(description="the reason that was given")]
    at_ms: EpochMs = msgspec.field(name="at")
    records: Annotated[tuple[OffsetRange, ...], Meta(description="the records that it was done to")]
    about: Annotated[str | None, Meta(description="what else it was done to, such as `connection acme`")] = None
    definition: Annotated[_Masked, Meta(description="of `apply`: what `about` names, without its secrets")] = None
    former: Annotated[_Masked, Meta(description="what `about` named before, without its secrets")] = None


class UnreadableRecordError(ValueError):
    """A record that does not match its struct. The message names the field and the reason, and shows no value."""


encode = msgspec.json.Encoder().encode
"""Encode a record as the value for Kafka."""


def read(kind: type[R], value: bytes) -> R:
    """Decode a record. Raises UnreadableRecordError."""
    try:
        record: R = _decoder(kind).decode(value)
    except msgspec.DecodeError as error:
        raise UnreadableRecordError(f"{kind.__name__}: {explain(error)}") from None
    return record


@lru_cache(maxsize=32)
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def explain(error: msgspec.DecodeError) -> str:
    """The problem and its field, without the value, which msgspec quotes if an enum does not contain it."""
    return re.sub(r"(Invalid enum value) .*?( - at `[^`]*`)?$", r"\1\2", str(error), flags=re.DOTALL)
