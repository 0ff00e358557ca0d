"""How far a time that a worker wrote is believed: as far as the append time of its record bears it out. Pure.

A worker's clock follows the broker's, and yet a time that it wrote an hour ahead would hold a whole tier behind it. The
append time is the broker's own, and a tier's topic says how long its records wait.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.retry_tiers import HORIZON_MS, Tier
from stripeline.contracts.topics import Topics
from stripeline.workers.executor.command_state import CommandState
from stripeline.workers.executor.setup import Setup
from stripeline.workers.task.decision import InputRecord

COMMIT_MS = 60_000
"""A due time counts from the decision; its record is appended with the next commit, and a slow one before it."""


def tier_due_ms(topics: Topics, record: InputRecord, headers: Mapping[str, bytes]) -> int:
    """When a record of a retry topic is due."""
    delay_ms = topics.delay_ms(record.topic)
    return due_ms(h.number(headers, h.DUE_AT), appended_ms=record.timestamp, delay_ms=delay_ms)


def due_ms(written_ms: int | None, *, appended_ms: int, delay_ms: int) -> int:
    """When a record of a tier is due; one that no executor wrote waits for nothing."""
    latest_ms = appended_ms + delay_ms
    if written_ms is None:
        return 0
    return written_ms if latest_ms - COMMIT_MS <= written_ms <= latest_ms else latest_ms


def look_at_ms(written_ms: int, *, appended_ms: int, delay_ms: int, reconcile_after_ms: int) -> int:
    """When a command may be looked up: Stripe's search has its object, or the tier of a failed look-up is over."""
    return min(written_ms, appended_ms + max(delay_ms, reconcile_after_ms))


def turn_ms(written_ms: int, *, appended_ms: int, delay_ms: int, tiers: Sequence[Tier]) -> int:
    """Its turn in its connection's line: before the end of the next longer tier, or it would wait in that one."""
    return min(written_ms, appended_ms + min((t.delay_ms for t in tiers if t.delay_ms > delay_ms), default=HORIZON_MS))


def tier_turn_ms(topics: Topics, record: InputRecord, written_ms: int) -> int:
    """The turn of a record of a retry topic."""
    delay_ms = topics.delay_ms(record.topic)
    return turn_ms(written_ms, appended_ms=record.timestamp, delay_ms=delay_ms, tiers=topics.tiers)


def believed(setup: Setup, state: CommandState) -> CommandState:
    """A command that was taken, without times that its record contradicts."""
    if state.look_at_ms is None and state.turn_ms is None:
        return state
    source, topics = state.record.input, setup.topics
    appended_ms, delay_ms = source.timestamp, topics.delay_ms(source.topic)
    look_ms, turn = state.look_at_ms, state.turn_ms
    if look_ms is not None:
        look_ms = look_at_ms(
            look_ms, appended_ms=appended_ms, delay_ms=delay_ms, reconcile_after_ms=setup.reconcile_after_ms
        )
    if turn is not None:
        turn = tier_turn_ms(topics, source, turn)
    return replace(state, look_at_ms=look_ms, turn_ms=turn)
