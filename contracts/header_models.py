"""The headers of each record as models, for the published schemas. Nothing is parsed with them.

A header's value is bytes. These models describe its UTF-8 text, so a number is a string of digits. Records may have
other headers: those of another team's command are kept on its retries and dead letters.
"""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from stripeline.contracts import headers as h
from stripeline.contracts.ids import NAME
from stripeline.contracts.records import LeftOut, Record
from stripeline.contracts.vocabulary import DeadLetterReason

Digits = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Name = Annotated[str, Field(pattern=NAME.pattern)]
Code = Annotated[str, Field(pattern=r"^([A-Z]+(_[A-Z]+)*)?$")]

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE: Final = Field(alias=h.TRACEPARENT, description="W3C trace context, copied from the webhook to the last result")
_CONNECTION: Final = Field(alias=h.CONNECTION, description="the connection's name")
_REPLAY: Final = Field(
    alias=h.REPLAY, description="JSON: who replayed a dead letter (`by`), `why`, when (`at`) and which one"
)


_EVENT_CREATED_AT: Final = Field(
    alias=h.EVENT_CREATED_AT,
    description="milliseconds since the epoch: set by the router where the event of the run was too old when it came,"
    " so that the command is only executed when a person replays it",
)
_KIND: Final = Field(alias=h.KIND, description="`thin-event`: the value is a thin event; omitted where it is a command")


_BACKFILL: Final = Field(
    alias=h.SOURCE,
    description="`backfill`: no delivery of it came, and it was found in Stripe's list of events: it is behind newer"
    " events of its object; omitted otherwise",
)
_SOURCE: Final = Field(
    alias=h.SOURCE,
    description="`backfill`: no delivery of it came, and it was found in Stripe's list of events; `notice`: Stripe"
    " failed to make it, and a person published it by Stripe's notice, whose id and time it has. Either is behind newer"
    " events of its object; omitted otherwise",
)
_LATE_BY: Final = Field(
    alias=h.LATE_BY, description="where `stripeline-source` is set: milliseconds from `created` to the publication"
)


class Headers(Record):
    model_config = ConfigDict(validate_by_name=True)


class CloudEvent(Headers):
    """The CloudEvents 1.0 attributes of a record, in the Kafka binding's binary mode."""

    specversion: Annotated[Literal["1.0"], Field(alias="ce_specversion", description="CloudEvents 1.0")]
    ce_id: Annotated[str, Field(min_length=1, description="unique within `ce_source`")]
    ce_type: Annotated[str, Field(min_length=1, description="what happened")]
    ce_source: Annotated[str, Field(min_length=1, description="the writer")]
    ce_time: Annotated[
        str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="when it happened: RFC 3339 in UTC")
    ]
    content_type: Annotated[Literal["application/json"], Field(alias="content-type", description="JSON in UTF-8")]
    traceparent: Annotated[LeftOut[str], _TRACE] = None


class EventHeaders(CloudEvent):
    """The headers of an event. `ce_id` and `ce_type` are Stripe's, `ce_source` is the trigger's path.

    `ce_time` is the event's `created`.
    """

    trigger: Annotated[Name, Field(alias=h.TRIGGER, description="the trigger that received it")]
    connection: Annotated[Name, _CONNECTION]
    source: Annotated[LeftOut[Literal["backfill", "notice"]], _SOURCE] = None
    late_by: Annotated[LeftOut[Digits], _LATE_BY] = None
    payload: Annotated[
        LeftOut[Literal["event", "object"]],
        Field(
            alias=h.PAYLOAD,
            description="of a thin event: `event`: `data` is that of Stripe's snapshot of the same change; `object`:"
            " Stripe has none, and `data` is the object as it was when it was fetched, which later events may describe"
            " too; omitted for a delivery that had its object",
        ),
    ] = None


class ThinEventHeaders(CloudEvent):
    """The headers of a thin event. `ce_id` and `ce_type` are Stripe's, `ce_source` is the trigger's path."""

    trigger: Annotated[Name, Field(alias=h.TRIGGER, description="the trigger that received it")]
    connection: Annotated[Name, _CONNECTION]
    source: Annotated[LeftOut[Literal["backfill"]], _BACKFILL] = None
    late_by: Annotated[LeftOut[Digits], _LATE_BY] = None


class CommandHeaders(Headers):
    """The headers of a command. None is required; a trace context is copied to the result.

    Names that start with `stripeline-` are reserved: another team's command omits them.
    """

    ce_specversion: Annotated[LeftOut[str], Field(description="`1.0`; set all CloudEvents attributes or none")] = None
    ce_id: Annotated[LeftOut[str], Field(description="unique within `ce_source`, such as the command's id")] = None
    ce_type: Annotated[LeftOut[str], Field(description="`stripeline.action-command` on the router's commands")] = None
    ce_source: Annotated[LeftOut[str], Field(description="the producer")] = None
    ce_time: Annotated[LeftOut[str], Field(description="RFC 3339")] = None
    content_type: Annotated[LeftOut[str], Field(alias="content-type", description="`application/json`")] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None
    connection: Annotated[LeftOut[str], _CONNECTION] = None
    first_appended_at: Annotated[
        LeftOut[Digits],
        Field(
            alias=h.FIRST_APPENDED_AT,
            description="milliseconds since the epoch: when the command of a replay was first sent",
        ),
    ] = None
    event_created_at: Annotated[LeftOut[Digits], _EVENT_CREATED_AT] = None
    replay: Annotated[LeftOut[str], _REPLAY] = None


class ResultHeaders(CloudEvent):
    """The headers of a result. `ce_id` is the command's id, a colon and the revision; the trace is the command's."""

    connection: Annotated[str, _CONNECTION]


class RetryHeaders(Headers):
    """The headers that the executor adds to a command in a retry tier, beside the command's own."""

    attempt: Annotated[Digits, Field(alias=h.ATTEMPT, description="the number of attempts so far")]
    due_at: Annotated[Digits, Field(alias=h.DUE_AT, description="milliseconds since the epoch: when it may be taken")]
    first_appended_at: Annotated[
        Digits,
        Field(alias=h.FIRST_APPENDED_AT, description="milliseconds since the epoch: when Kafka stored the command"),
    ]
    last_error: Annotated[str, Field(alias=h.LAST_ERROR, description="why it waits, for people")]
    place: Annotated[
        LeftOut[Digits], Field(alias=h.PLACE, description="its place in its key's queue; omitted without a key")
    ] = None
    kind: Annotated[LeftOut[Literal["thin-event"]], _KIND] = None
    turn_at: Annotated[
        LeftOut[Digits],
        Field(alias=h.TURN_AT, description="of a thin event: milliseconds since the epoch: its turn in its line"),
    ] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None
    event_created_at: Annotated[LeftOut[Digits], _EVENT_CREATED_AT] = None
    replay: Annotated[LeftOut[str], _REPLAY] = None


class DeadLetterHeaders(Headers):
    """Why a record is a dead letter, and its origin. Its value, key and other headers are unchanged."""

    origin_topic: Annotated[str, Field(alias=h.ORIGIN_TOPIC, description="the topic of origin")]
    origin_partition: Annotated[Digits, Field(alias=h.ORIGIN_PARTITION, description="the partition of origin")]
    origin_offset: Annotated[Digits, Field(alias=h.ORIGIN_OFFSET, description="the offset of origin")]
    origin_last_offset: Annotated[
        LeftOut[Digits],
        Field(alias=h.ORIGIN_LAST_OFFSET, description="the last offset of a range; omitted for one record"),
    ] = None
    reason: Annotated[
        str,
        Field(
            alias=h.REASON,
            pattern=r"^[a-z]+(_[a-z]+)*$",
            description=f"{', '.join(f'`{reason}`' for reason in DeadLetterReason)}; new ones may be added",
        ),
    ]
    code: Annotated[Code, Field(alias=h.CODE, description="the error's code")]
    attempts: Annotated[Digits, Field(alias=h.ATTEMPTS, description="the number of calls")]
    last_error: Annotated[str, Field(alias=h.LAST_ERROR, description="the error's message, for people")]
    first_appended_at: Annotated[
        Digits, Field(alias=h.FIRST_APPENDED_AT, description="milliseconds since the epoch: when Kafka first stored it")
    ]
    kind: Annotated[LeftOut[Literal["thin-event"]], _KIND] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None
    event_created_at: Annotated[LeftOut[Digits], _EVENT_CREATED_AT] = None
    replay: Annotated[LeftOut[str], _REPLAY] = None


class CancelRequestHeaders(Headers):
    """The headers of a request to withdraw a command that was never attempted, since its run was cancelled."""

    cancels: Annotated[str, Field(alias=h.CANCELS, description="the command's id")]


class RunActHeaders(Headers):
    """The headers of an act on a run. Those of a start are its event's, beside the act."""

    act: Annotated[LeftOut[str], Field(alias=h.ACT, description="of a start or an erasure: the act as JSON")] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None


class SettlementHeaders(Headers):
    """The headers of a settlement, which name the command that created the object in its value."""

    settles: Annotated[str, Field(alias=h.SETTLES, description="the command's id")]
    connection: Annotated[LeftOut[str], _CONNECTION] = None
    account: Annotated[
        LeftOut[str],
        Field(alias=h.ACCOUNT, description="the account of the event; omitted if it is the connection's own"),
    ] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None
