"""The records of `stripe.act`: what a person asks the router to do with one run. Pure.

Each is on the partition of its run, under the run's id. A retry and a cancellation are the record's value. A start
carries an event: the value and the other headers are the event's own, unchanged, and the act is in the header
`stripeline-act`. So does an erasure, whose value is what stays of the run.

They follow the rules of `contracts/internal_records.py`.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from stripeline.contracts.internal_records import EpochMs
from stripeline.contracts.vocabulary import RunActKind

_KINDS: Final[dict[str, Any]] = {"enum": [kind.value for kind in RunActKind]}


class RunAct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person asks for one run. The same act sent twice is done once."""

    act: Annotated[str, Meta(description="what to do", extra_json_schema=_KINDS)]
    run: Annotated[str, Meta(description="the run's id")]
    by: Annotated[str, Meta(description="who asks")]
    why: Annotated[str, Meta(description="the reason that was given")]
    at_ms: EpochMs = msgspec.field(name="at")
    workflow: Annotated[str | None, Meta(description="of a start: the workflow's name")] = None
    command_id: Annotated[
        str | None, Meta(description="of a retry: the command that failed; absent where the run stopped before any")
    ] = None
    revision: Annotated[int | None, Meta(description="of a retry: the revision of that command's result")] = None
    number: Annotated[
        int, Meta(ge=2, description="of a retry: the number of the new command among those of its step")
    ] = 2
    as_started: Annotated[
        bool, Meta(description="of a retry: with the steps that the run started with, whatever the workflow is now")
    ] = False
    late_rule: Annotated[
        bool,
        Meta(description="of a start among many: an event that was found later is skipped or held as its workflow says;"
             " else a person wants this one"),
    ] = False  # fmt: skip
    key: Annotated[
        str | None, Meta(description="of a start: the key of the event's record, one character per byte")
    ] = None
