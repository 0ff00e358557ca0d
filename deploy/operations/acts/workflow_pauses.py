"""A workflow's pause: its events start no run, and can be taken up as long as their topic keeps them. Pure."""

from dataclasses import dataclass
from typing import Final

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import encode, read
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import named_definition
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.workers.kafka.control_table import Changes

WARN_BEFORE_MS: Final = 2 * DAY_MS
"""How long before its first event can no longer be taken up a pause is a warning of `status`."""


def pause_key(name: str) -> str:
    return f"pause/workflow/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseStart:
    """Where the events of a pause begin. offsets: of the next event that the routers take, by partition.

    kept_ms: how long the topic keeps events; None for ever.
    """

    topic: str
    offsets: tuple[int, ...]
    kept_ms: int | None


def pause(stored: Definitions, name: str, signed: Signed, start: PauseStart) -> Changes:
    """The control records that pause a workflow. Raises FailureError."""
    named_definition.require(stored, "workflow", name)
    paused = stored.pauses.get(f"workflow/{name}")
    if paused is not None:
        raise FailureError(f"The workflow {name} is paused already, by {paused.by}: {paused.why}")
    until_ms = None if start.kept_ms is None else signed.at_ms + start.kept_ms
    record = Pause(
        by=signed.by, why=signed.why, at_ms=signed.at_ms, until_ms=until_ms, topic=start.topic, offsets=start.offsets
    )
    return {pause_key(name): encode(record)}


def recorded(changes: Changes, name: str) -> Pause:
    """The pause among control records."""
    return read(Pause, changes[pause_key(name)] or b"")


def held(stored: Definitions, name: str) -> Pause:
    """The pause of a workflow. Raises FailureError where there is none."""
    named_definition.require(stored, "workflow", name)
    found = stored.pauses.get(f"workflow/{name}")
    if found is None:
        raise FailureError(f"The workflow {name} is not paused.")
    return found


def near_end(paused: Pause, now_ms: int) -> bool:
    """Whether a person should decide now: soon its first events are not there to be taken up."""
    return paused.until_ms is not None and now_ms >= paused.until_ms - WARN_BEFORE_MS


def until_text(paused: Pause) -> str:
    """Until when its first event can be taken up, in words."""
    if paused.until_ms is None:
        return "its events are kept for ever"
    return f"its first event can be taken up until {h.rfc3339(paused.until_ms)[:19]}Z"


def take_up_command(name: str, since_ms: int, until_ms: int) -> str:
    """The command that starts what did not start in a pause."""
    since, until = h.rfc3339(since_ms), h.rfc3339(until_ms)
    return f"stripeline runs start {name} --since {since} --until {until}"
