"""Looks at a worker once a second, asks Kafka where `task/health.py` suspects something, and does what it judges.

It asks with clients of its own: those of a worker in trouble may be the trouble.
"""

import asyncio
import contextlib
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.group_member import Worker
from stripeline.workers.kafka.partition_reader import partition_reader
from stripeline.workers.kafka.task import Task
from stripeline.workers.task.health import Facts, Limits, Sight, Suspicion, Verdict, Watch, Working

_LOOK_EVERY_S: Final = 1.0
_ASK_S: Final = 10.0


class StuckError(Exception):
    """A worker that does not get on, however often its consumer was opened anew."""


async def watched(worker: Worker[Any], stop: asyncio.Event, *, partitions: int, limits: Limits) -> None:
    """Run a worker until `stop` is set, and see to it that it gets on. Raises StuckError."""
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
        suspicion = watch.look(now_s, sight(worker), now_s - slept_s - _LOOK_EVERY_S)
        if suspicion is None:
            worker.trouble = None
            continue
        if now_s - asked_s < watch.limits.apart_s / 2:
            continue
        asked_s, facts = now_s, await _ask(worker)
        # An answer takes its time: what moved meanwhile is no trouble.
        now_s = time.monotonic()
        again = watch.look(now_s, sight(worker))
        if again is None:
            continue
        verdict = watch.judge(now_s, again, sight(worker), facts)
        _act(worker, again, verdict, kafka_answers=facts is not None, tries=watch.limits.tries)


def _act(worker: Worker[Any], suspicion: Suspicion, verdict: Verdict, *, kafka_answers: bool, tries: int) -> None:
    role, words = worker.role.name, suspicion.words
    match verdict:
        case Verdict.UNSURE:
            worker.trouble = None if kafka_answers else f"the {role} does not get on, and Kafka does not answer"
        case Verdict.WAIT:
            worker.trouble = f"the {role} stands still: {words}"
        case Verdict.ANEW:
            worker.trouble = f"the {role} stands still: {words}; its consumer is opened anew"
            worker.anew(words)
        case Verdict.GIVE_UP:
            raise StuckError(
                f"The {role} stands still: {words}. Its consumer was opened anew {tries} times, in vain. The process"
                " ends, so that another one takes its place; the log above says what was tried."
            )


def sight(worker: Worker[Any]) -> Sight:
    working = {
        number: _working(task, worker.call_ages.of(number).oldest_s())
        for number, task in worker.tasks.items()
        if task.open
    }
    return Sight(turns=worker.turns, joined=worker.joined, tasks=len(worker.tasks), working=working)


def _working(task: Task[Any], oldest_call_s: float) -> Working:
    sources = task.inputs.items()
    return Working(
        mark=tuple((source.watermark.position, source.watermark.next, len(source.buffer)) for _, source in sources),
        holds=any(source.watermark.unfinished for _, source in sources),
        idle=not any(source.buffer or source.watermark.unfinished for _, source in sources),
        oldest_call_s=oldest_call_s,
        reads={tp: source.watermark.next for tp, source in sources},
    )


async def _ask(worker: Worker[Any]) -> Facts | None:
    """What Kafka says now; None where it does not answer in time."""
    client, inputs = worker.client, [tp for task in worker.tasks.values() for tp in task.inputs]
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_ASK_S):
            return Facts(members=await _members(worker.role.group, client), ends=await _ends(inputs, client))
    return None


async def _members(group: str, client: Mapping[str, Any]) -> int | None:
    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
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
