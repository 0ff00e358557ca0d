"""Watches one worker: a snapshot a second, a question to Kafka about a suspicion, and the remedy of `task/health.py`.

It asks with its own clients: those of a stuck worker may be the cause.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Container, Hashable, Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.client_start import start_within
from stripeline.workers.kafka.group_member import Worker
from stripeline.workers.kafka.partition_reader import partition_reader
from stripeline.workers.kafka.task import Task
from stripeline.workers.task.health import (
    GroupFacts,
    Remedy,
    StallLimits,
    Suspicion,
    TaskSnapshot,
    Watch,
    WorkerSnapshot,
)

_LOOK_EVERY_S: Final = 1.0
_ASK_S: Final = 10.0


class StuckError(Exception):
    """A worker that makes no progress, however often its consumer was reopened."""


async def watched(worker: Worker[Any], stop: asyncio.Event, *, partitions: int, limits: StallLimits) -> None:
    """Run a worker until `stop` is set, and watch its progress. Raises StuckError."""
    dog = asyncio.create_task(_watch(worker, Watch(partitions, limits)), name="watchdog")
    work = asyncio.create_task(worker.run(stop), name=f"{worker.role.name} worker")
    try:
        await asyncio.wait((dog, work), return_when=asyncio.FIRST_COMPLETED)
        if dog.done():
            stop.set()  # before the worker is waited for: from now on its end is bounded
            await dog
        await work
    finally:
        for task in (dog, work):
            task.cancel()
        await asyncio.gather(dog, work, return_exceptions=True)


async def _watch(worker: Worker[Any], watch: Watch) -> None:
    asked_s = 0.0
    while True:
        slept_s = time.monotonic()
        await asyncio.sleep(_LOOK_EVERY_S)
        now_s = time.monotonic()
        suspicion = watch.look(now_s, snapshot(worker), now_s - slept_s - _LOOK_EVERY_S)
        if suspicion is None:
            worker.trouble = None
            continue
        if now_s - asked_s < watch.limits.apart_s / 2:
            continue
        asked_s, facts = now_s, await _ask(worker)
        # The answer took time: what has moved since is not stuck.
        now_s = time.monotonic()
        again = watch.look(now_s, snapshot(worker))
        if again is None:
            continue
        remedy = watch.judge(now_s, again, snapshot(worker), facts)
        _act(worker, again, remedy, kafka_answers=facts is not None, tries=watch.limits.tries)


def _act(worker: Worker[Any], suspicion: Suspicion, remedy: Remedy, *, kafka_answers: bool, tries: int) -> None:
    role, words = worker.role.name, suspicion.words
    match remedy:
        case Remedy.NONE:
            worker.trouble = None if kafka_answers else f"the {role} makes no progress, and Kafka does not answer"
        case Remedy.CONFIRM:
            worker.trouble = f"the {role} is stuck: {words}"
        case Remedy.REOPEN:
            worker.trouble = f"the {role} is stuck: {words}; its consumer is reopened"
            worker.reopen(words)
        case Remedy.GIVE_UP:
            raise StuckError(
                f"The {role} is stuck: {words}. Its consumer was reopened {tries} times without success. The process"
                " ends, so that another one takes its place; the log above says what was tried."
            )


def snapshot(worker: Worker[Any]) -> WorkerSnapshot:
    working = {
        number: _working(task, worker.held, worker.call_ages.of(number).oldest_s())
        for number, task in worker.tasks.items()
        if task.open
    }
    return WorkerSnapshot(
        silent_s=worker.silent_s(), polls=worker.polls, joined=worker.joined, tasks=len(worker.tasks), working=working
    )


def _working(task: Task[Any], held: Container[TopicPartition], oldest_call_s: float) -> TaskSnapshot:
    sources = task.inputs.items()
    return TaskSnapshot(
        mark=tuple((source.watermark.next, source.watermark.unfinished, len(source.buffer)) for _, source in sources),
        holds=bool(task.intake.lanes),  # what waits on its topic for its turn may wait for long
        idle=not task.intake.lanes and not any(source.buffer for _, source in sources),
        oldest_call_s=oldest_call_s,
        reads={tp: source.watermark.next for tp, source in sources if tp not in held},
    )


async def _ask(worker: Worker[Any]) -> GroupFacts | None:
    """What Kafka says now; None where it does not answer in time."""
    client, inputs = worker.client, [tp for task in worker.tasks.values() for tp in task.inputs]
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_ASK_S):
            members = await _members(worker.role.group, client)
            if not inputs and not await _exist(worker.role.original, client):
                members = None  # nobody can have a task
            return GroupFacts(members=members, ends=await _ends(inputs, client))
    return None


async def _exist(topics: Collection[str], client: Mapping[str, Any]) -> bool:
    async with partition_reader(client) as reader:
        return set(topics) <= set(await reader.topics())


async def _members(group: str, client: Mapping[str, Any]) -> int | None:
    admin = AIOKafkaAdminClient(**client)
    try:
        await start_within(admin.start(), _ASK_S)
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    (found,) = answer.to_object()["groups"]
    return len(found["members"]) if found["state"] in {"Stable", "Empty", "Dead"} else None


async def _ends(inputs: Sequence[TopicPartition], client: Mapping[str, Any]) -> Mapping[Hashable, int]:
    if not inputs:
        return {}
    async with partition_reader(client) as reader:
        return await reader.end_offsets(inputs)
