"""The records that only our own processes write and read, as models, so that they too are published and compared.

Nothing is parsed with them on the way: `workers/executor/ledger.py` and `workers/router/router.py` build these dicts,
and a test holds the two together. A process of the next version must read what this one wrote.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from stripeline.contracts.action import SENSITIVE
from stripeline.contracts.records import EpochMs, LeftOut, Record, RunRef


class Told(Record):
    """What a result needs beside its outcome, while an effect is possible."""

    action: Annotated[str, Field(description="the command's own")]
    connection: Annotated[str, Field(description="the command's own")]
    run: Annotated[RunRef | None, Field(description="the command's own")]
    key: Annotated[str | None, Field(description="the record's key, a character for each byte")]
    attempts: Annotated[int, Field(ge=0, description="calls made")]
    started_at: EpochMs


class LedgerCommand(Record):
    """A command that an executor knows, under `command/…`: its digest keeps an id from being used twice."""

    status: Annotated[
        Literal["waiting", "succeeded", "failed", "indeterminate"],
        Field(description="it waits in a tier, or how its newest result ended"),
    ]
    digest: Annotated[str, Field(description="fingerprint of action, connection and input")]
    revision: Annotated[int, Field(ge=0, description="of its newest result; of the next one while it waits")]
    at: Annotated[EpochMs, Field(description="milliseconds since the epoch: when this was written")]
    unknown: Annotated[LeftOut[bool], Field(description="an attempt may have had its effect")] = None
    look_at: Annotated[LeftOut[int], Field(description="milliseconds since the epoch: when it is looked up")] = None
    looks: Annotated[LeftOut[int], Field(description="look-ups that failed")] = None
    told: Annotated[LeftOut[Told], Field(description="for a settlement by webhook")] = None
    turn: Annotated[LeftOut[int], Field(description="its turn in the line of a connection at its limit")] = None


class LedgerQueue(Record):
    """A key that waits behind a retry, under `queue/…`: three numbers, the waiting records are in the tiers."""

    head: Annotated[int, Field(ge=0, description="the place whose turn it is")]
    tail: Annotated[int, Field(ge=0, description="the next free place")]
    due_at: Annotated[EpochMs, Field(description="milliseconds since the epoch: when the head is due")]


class Metadata(Record):
    """What the executor wrote on the object that it made."""

    stripeline_command: Annotated[str, Field(description="the command's id")]
    stripeline_partition: Annotated[str, Field(description="the partition of the command's task")]


class Settlement(Record):
    """A Stripe object that one of our commands made, told by a webhook, from the router to that command's executor.

    It is on the command topic with the header `stripeline-settles`. It is no command: others skip it.
    """

    metadata: Annotated[Metadata, Field(description="what names the command")]
    email: Annotated[LeftOut[Any], Field(description="as Stripe sends it", json_schema_extra=SENSITIVE)] = None
    name: Annotated[LeftOut[Any], Field(description="as Stripe sends it", json_schema_extra=SENSITIVE)] = None
    phone: Annotated[LeftOut[Any], Field(description="as Stripe sends it", json_schema_extra=SENSITIVE)] = None
    receipt_email: Annotated[LeftOut[Any], Field(description="as Stripe sends it", json_schema_extra=SENSITIVE)] = None
    client_secret: Annotated[LeftOut[Any], Field(description="as Stripe sends it", json_schema_extra=SENSITIVE)] = None
