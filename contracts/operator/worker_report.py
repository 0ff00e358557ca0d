"""The record of `stripe.worker`: how one process is, written every few seconds, and null when it has ended cleanly.

It follows the rules of `contracts/internal_records.py`. Every field that a later version added has a default, so that
the reports of older processes are read during an upgrade. No secret is in it, and no text of others but in sentences.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts.internal_records import EpochMs
from stripeline.contracts.operator.spending import TaskSpending

REPORT_EVERY_S: Final = 5.0
STALE_AFTER_MS: Final = 15_000
"""A process that has not reported for so long is in trouble, or gone: three reports are missing."""

_Count = Annotated[int, Meta(ge=0)]


class TaskReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One task: a partition number of a role."""

    role: Annotated[str, Meta(description="router or executor")]
    partition: Annotated[int, Meta(ge=0, description="its partition number")]
    open: Annotated[bool, Meta(description="it works; false while it is being opened and restored")] = True
    lag: Annotated[int, Meta(ge=0, description="offsets of its inputs, but of the tiers, that are not finished")] = 0
    oldest_ms: Annotated[
        int, Meta(ge=0, description="age of the oldest record of its inputs, but of the tiers, that is not taken")
    ] = 0
    calls: Annotated[int, Meta(ge=0, description="calls to Stripe under way, or waiting for their turn")] = 0
    in_hand: Annotated[int, Meta(ge=0, description="records that were taken and are not finished")] = 0
    waiting: Annotated[int, Meta(ge=0, description="commands that wait in a tier")] = 0
    stopped: Annotated[_Count | None, Meta(description="a router's: runs that wait for a person")] = None
    waiting_keys: Annotated[int, Meta(ge=0, description="keys whose commands wait behind one in a tier")] = 0
    tier_heads: Annotated[
        Mapping[str, int], Meta(description="when the next record of each retry topic is due, in ms since the epoch")
    ] = msgspec.field(default_factory=dict)


class ConnectionReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A connection as one executor sees it."""

    connection: Annotated[str, Meta(description="its name")]
    paused: Annotated[bool, Meta(description="its commands wait: it is paused, or Stripe refuses its key")] = False
    paused_accounts: Annotated[int, Meta(ge=0, description="connected accounts that its key may not act for")] = 0
    line_ms: Annotated[int, Meta(ge=0, description="how long a call waits for its connection's rate")] = 0


EndpointTroubleKind = Literal["not_asked", "missing", "disabled", "types", "api_version", "url", "secret_lost", "twice"]
"""What is wrong with an endpoint at Stripe."""


class EndpointTrouble(Struct, frozen=True, kw_only=True):
    """What is wrong with an endpoint at Stripe, as the executor that owns partition 0 found it."""

    endpoint: Annotated[str, Meta(description="its name")]
    kind: Annotated[EndpointTroubleKind, Meta(description="what is wrong")]
    text: Annotated[str, Meta(description="in words", max_length=1_000)]


class WorkerReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one process is, by its own account."""

    role: Annotated[str, Meta(description="ingest, router, executor, worker or console")]
    version: Annotated[str, Meta(description="of Stripeline")]
    host: Annotated[str, Meta(description="where it runs")]
    pid: Annotated[int, Meta(ge=0, description="its process id there")] = 0
    started_ms: EpochMs = msgspec.field(name="started_at")
    at_ms: EpochMs = msgspec.field(name="at")
    partitions: Annotated[int, Meta(ge=0, description="STRIPELINE_PARTITIONS of this process; 0 where unknown")] = 0
    not_ready: Annotated[str | None, Meta(description="what keeps it from its work, as /readyz says it")] = None
    warnings: Annotated[str | None, Meta(description="what keeps it from a part of its work")] = None
    tasks: Annotated[tuple[TaskReport, ...], Meta(description="its tasks")] = ()
    connections: Annotated[
        tuple[ConnectionReport, ...], Meta(description="connections that wait, or that a call waits for")
    ] = ()
    skew_ms: Annotated[
        int | None, Meta(description="how far its host's clock is ahead of the broker's; absent where unknown")
    ] = None
    master_keys: Annotated[tuple[str, ...] | None, Meta(description="names of the master keys that it holds")] = None
    control: Annotated[
        _Count | None, Meta(description="the next offset of the control topic: all before it is applied")
    ] = None
    signed: Annotated[
        Mapping[str, int],
        Meta(
            description="deliveries that ingest verified since its start, by the destination at Stripe that sent them"
        ),
    ] = msgspec.field(default_factory=dict)
    reached: Annotated[
        Mapping[str, EpochMs],
        Meta(description="when the last delivery came that ingest verified, by trigger or endpoint; pings included"),
    ] = msgspec.field(default_factory=dict)
    endpoints: Annotated[
        tuple[EndpointTrouble, ...],
        Meta(description="what is wrong with endpoints at Stripe; none where it did not look"),
    ] = ()
    spent: Annotated[
        tuple[TaskSpending, ...], Meta(description="what its tasks have begun of limits; none without a limit")
    ] = ()
