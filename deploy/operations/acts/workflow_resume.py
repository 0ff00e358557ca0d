"""Pauses and resumes workflows in Kafka: the decisions are in `workflow_pauses`, the take-up in `take_up`."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.operations.acts import named_definition, run_starts, workflow_pauses
from stripeline.deploy.operations.acts.audit import Signed, record_act
from stripeline.deploy.operations.acts.pauses import release
from stripeline.deploy.operations.acts.take_up import TakenUp, TakeUp
from stripeline.deploy.operations.acts.workflow_pauses import PauseStart
from stripeline.deploy.operations.reading.event_ranges import (
    CLOCKS_APART_MS,
    EventRange,
    ends_of,
    event_range,
    event_topic,
    events_in,
    known_runs,
    next_offsets,
    range_from,
    retention_ms,
)
from stripeline.deploy.operations.status.finding import counted
from stripeline.workers.kafka.control_table import Changes, publish
from stripeline.workers.kafka.one_off_producer import one_off_producer

_DEADLINE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """How a workflow was resumed. between: what was found after the resume, whose order is not promised."""

    pause: Pause
    at_ms: int
    unstarted: int = 0
    taken_up: TakenUp = field(default_factory=TakenUp)
    between: TakenUp = field(default_factory=TakenUp)


def taken_up_words(done: Resumed) -> str:
    runs = counted(done.taken_up.started, "run")
    said = f"{runs} of what came since {h.rfc3339(done.pause.at_ms)[:19]}Z began, in order"
    if not done.between.started:
        return said
    return (
        f"{said}; {done.between.started} more came while it was resumed, and may be behind a later event of their key"
    )


async def pause(
    topics: Topics, client: Mapping[str, Any], stored: Definitions, name: str, signed: Signed
) -> Pause:  # fmt: skip
    """Pause a workflow. Raises FailureError, KafkaError, TimeoutError."""
    named_definition.require(stored, "workflow", name)
    topic = event_topic(topics, stored, name)
    # Before the pause takes effect: what a router takes from here on may not start.
    offsets = await next_offsets(topics.groups[0], topic, client)
    start = PauseStart(topic=topic, offsets=offsets, kept_ms=await retention_ms(topics, topic, client))
    changes = workflow_pauses.pause(stored, name, signed, start)
    await _carry_out(topics, client, AuditedAct.PAUSE_WORKFLOW, name, signed, changes)
    return workflow_pauses.recorded(changes, name)


async def resume(
    topics: Topics, client: Mapping[str, Any], stored: Definitions, name: str, signed: Signed
) -> Resumed:  # fmt: skip
    """Resume a workflow, and count what came while it was paused and would start a run. Raises as `pause` does."""
    paused = workflow_pauses.held(stored, name)
    chosen = await _range(topics, client, stored, name, paused)
    await _end(topics, client, stored, name, signed)
    fates: Counter[str] = Counter()
    plan = run_starts.plan_for(topics, stored, name)
    known = await known_runs(topics, client, name, paused.at_ms - CLOCKS_APART_MS)
    async with aclosing(events_in(chosen, client)) as chunks:
        async for reads in chunks:
            found = run_starts.candidates(plan, reads, known, signed.at_ms)
            fates.update("starts" for one in found if one.starts)
    return Resumed(pause=paused, at_ms=signed.at_ms, unstarted=fates["starts"])


async def resume_and_take_up(
    topics: Topics, client: Mapping[str, Any], stored: Definitions, name: str, signed: Signed, rate_per_s: float
) -> Resumed:
    """Start what came while a workflow was paused, then resume it. Raises as `pause` does.

    Sent again after it was cut short, it goes on: the workflow is still paused, or what was started is known.
    """
    paused = workflow_pauses.held(stored, name)
    chosen = await _range(topics, client, stored, name, paused)
    known = await known_runs(topics, client, name, paused.at_ms - CLOCKS_APART_MS)
    plan = run_starts.plan_for(topics, stored, name)
    topic = next(iter(chosen.ends)).topic
    work = TakeUp(
        topics=topics, client=client, plan=plan, topic=topic, signed=signed, rate_per_s=rate_per_s, known=known
    )
    taken_up, last = await work.before_resume(chosen, signed.at_ms)
    await _end(topics, client, stored, name, signed)
    control = max((await ends_of(topics.control, client)).values())
    between = await work.after_resume(last, control, int(time.time() * 1000))
    return Resumed(pause=paused, at_ms=signed.at_ms, taken_up=taken_up, between=between)


async def _range(
    topics: Topics, client: Mapping[str, Any], stored: Definitions, name: str, paused: Pause
) -> EventRange:  # fmt: skip
    """The events since a pause. One that a limit made has no offsets: its time says where they begin."""
    if paused.topic is not None and paused.offsets is not None:
        return await range_from(paused.topic, client, paused.offsets)
    return await event_range(event_topic(topics, stored, name), client, paused.at_ms - CLOCKS_APART_MS)


async def _end(topics: Topics, client: Mapping[str, Any], stored: Definitions, name: str, signed: Signed) -> None:
    changes: dict[str, bytes | None] = {workflow_pauses.pause_key(name): None}
    released = release(stored, "workflow", name, signed)
    await _carry_out(topics, client, AuditedAct.RESUME_WORKFLOW, name, signed, released | changes)


async def _carry_out(
    topics: Topics, client: Mapping[str, Any], act: AuditedAct, name: str, signed: Signed, changes: Changes
) -> None:
    async with one_off_producer(client) as producer, asyncio.timeout(_DEADLINE_S):
        await record_act(producer, topics, act, signed, about=f"workflow {name}")
    await publish(topics.control, client, changes)
