"""The headers of each record, as models: what is published of `contracts/headers.py`. Nothing is parsed with them.

A header's value is bytes; here it is the UTF-8 text of them, so a number is a text of digits. Records may carry other
headers too: those of another team's command are kept on its retries and dead letters.
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
_TRACE: Final = Field(alias=h.TRACEPARENT, description="W3C trace context: carried from the webhook to the last result")
_CONNECTION: Final = Field(alias=h.CONNECTION, description="the connection's name")
_REPLAY: Final = Field(
    alias=h.REPLAY, description="JSON: who put a dead letter back to work (`by`), `why`, when (`at`) and which one"
)


class Headers(Record):
    model_config = ConfigDict(validate_by_name=True)


class CloudEvent(Headers):
    """The CloudEvents 1.0 attributes of a record, in the Kafka binding's binary mode."""

    specversion: Annotated[Literal["1.0"], Field(alias="ce_specversion", description="CloudEvents 1.0")]
    ce_id: Annotated[str, Field(min_length=1, description="unique within `ce_source`")]
    ce_type: Annotated[str, Field(min_length=1, description="what happened")]
    ce_source: Annotated[str, Field(min_length=1, description="who wrote it")]
    ce_time: Annotated[
        str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="RFC 3339 in UTC: when it happened")
    ]
    content_type: Annotated[
        Literal["application/json"], Field(alias="content-type", description="the value is JSON in UTF-8")
    ]
    traceparent: Annotated[LeftOut[str], _TRACE] = None


class EventHeaders(CloudEvent):
    """The headers of an event. `ce_id` and `ce_type` are Stripe's own, `ce_source` is the trigger's path.

    `ce_time` is the event's `created`.
    """

    trigger: Annotated[Name, Field(alias=h.TRIGGER, description="the trigger that received it")]
    connection: Annotated[Name, _CONNECTION]


class CommandHeaders(Headers):
    """The headers of a command: none is needed. A trace context is carried on to the result.

    Names that start with `stripeline-` are ours: another team's command leaves them out.
    """

    ce_specversion: Annotated[LeftOut[str], Field(description="CloudEvents, all or none of them: `1.0`")] = None
    ce_id: Annotated[LeftOut[str], Field(description="unique within `ce_source`; the command's id is a good one")] = (
        None
    )
    ce_type: Annotated[LeftOut[str], Field(description="`stripeline.action-command` on the router's own")] = None
    ce_source: Annotated[LeftOut[str], Field(description="who asks for it")] = None
    ce_time: Annotated[LeftOut[str], Field(description="RFC 3339")] = None
    content_type: Annotated[LeftOut[str], Field(alias="content-type", description="`application/json`")] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None
    connection: Annotated[LeftOut[str], _CONNECTION] = None
    first_appended_at: Annotated[
        LeftOut[Digits],
        Field(
            alias=h.FIRST_APPENDED_AT,
            description="milliseconds since the epoch: when a replay, or an old event's command, was first sent",
        ),
    ] = None
    replay: Annotated[LeftOut[str], _REPLAY] = None


class ResultHeaders(CloudEvent):
    """The headers of a result. `ce_id` is the command's id, a colon, and the revision; the trace is the command's."""

    connection: Annotated[str, _CONNECTION]


class RetryHeaders(Headers):
    """What the executor adds to a command that waits in a tier. The command's own headers are there too."""

    attempt: Annotated[Digits, Field(alias=h.ATTEMPT, description="attempts made so far")]
    due_at: Annotated[Digits, Field(alias=h.DUE_AT, description="milliseconds since the epoch: not taken before")]
    first_appended_at: Annotated[
        Digits,
        Field(alias=h.FIRST_APPENDED_AT, description="milliseconds since the epoch: when Kafka took the command"),
    ]
    last_error: Annotated[str, Field(alias=h.LAST_ERROR, description="why it waits, for a person")]
    place: Annotated[
        LeftOut[Digits], Field(alias=h.PLACE, description="its place in its key's queue; left out without a key")
    ] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None
    replay: Annotated[LeftOut[str], _REPLAY] = None


class DeadLetterHeaders(Headers):
    """Why a record is a dead letter, and where it came from. Its value, key and own headers are unchanged."""

    origin_topic: Annotated[str, Field(alias=h.ORIGIN_TOPIC, description="the topic that it came from")]
    origin_partition: Annotated[Digits, Field(alias=h.ORIGIN_PARTITION, description="the partition there")]
    origin_offset: Annotated[Digits, Field(alias=h.ORIGIN_OFFSET, description="the offset there")]
    reason: Annotated[
        str,
        Field(
            alias=h.REASON,
            pattern=r"^[a-z]+(_[a-z]+)*$",
            description=f"{', '.join(f'`{reason}`' for reason in DeadLetterReason)}; new ones may come",
        ),
    ]
    code: Annotated[Code, Field(alias=h.CODE, description="the error's code")]
    attempts: Annotated[Digits, Field(alias=h.ATTEMPTS, description="calls made")]
    last_error: Annotated[str, Field(alias=h.LAST_ERROR, description="the error's message, for a person")]
    first_appended_at: Annotated[
        Digits, Field(alias=h.FIRST_APPENDED_AT, description="milliseconds since the epoch: when Kafka first took it")
    ]
    traceparent: Annotated[LeftOut[str], _TRACE] = None
    replay: Annotated[LeftOut[str], _REPLAY] = None


class SettlementHeaders(Headers):
    """The headers of a settlement: which command the object in its value was made by."""

    settles: Annotated[str, Field(alias=h.SETTLES, description="the command's id")]
    connection: Annotated[LeftOut[str], _CONNECTION] = None
    traceparent: Annotated[LeftOut[str], _TRACE] = None
