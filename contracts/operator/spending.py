"""What counts against a limit in the last hour: the executor's changelog record of it, and a worker's report.

They follow the rules of `contracts/internal_records.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts.internal_records import EpochMs

BrakeKind = Literal["connection", "workflow"]


class SpentMinute(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What began in one minute, or in a part of it after the limit's last release."""

    since_ms: EpochMs = msgspec.field(name="since")
    count: Annotated[int, Meta(ge=0, description="effects of a connection, or runs of a workflow")] = 0
    amount: Annotated[
        Mapping[str, int], Meta(description="the commands' amounts by currency, in its smallest unit")
    ] = msgspec.field(default_factory=dict)


class Spending(Struct, frozen=True, kw_only=True):
    """What a task has begun in the last hour for a connection: `spent/NAME` in the executor's changelog."""

    minutes: Annotated[tuple[SpentMinute, ...], Meta(description="oldest first")]


class TaskSpending(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one task has begun in the last hour, in its process's report."""

    kind: Annotated[BrakeKind, Meta(description="connection: an executor's task; workflow: a router's")]
    partition: Annotated[int, Meta(ge=0, description="its partition number")]
    names: Annotated[
        Mapping[str, Spending], Meta(description="by the name of the connection or workflow; those with a limit")
    ] = msgspec.field(default_factory=dict)
