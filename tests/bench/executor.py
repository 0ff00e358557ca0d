"""The executor job: `stripeline executor` on a backlog of commands, beside the bare client and other workers.

Ordered by key, exactly once, 256 calls in flight, one and sixteen partitions; Stripe answers at once, or after 100 ms.
"""

from collections.abc import Sequence
from functools import partial

import orjson

from stripeline.deploy.local.kafka import free_port
from tests.bench.harness import Column, Contender, Lab, Sample, Table, alternate
from tests.bench.parallel_consumer import parallel_consumer
from tests.bench.processes import listening, output, python
from tests.bench.workers import commands, in_flight, process, produce, setup, watched
from tests.support.broker import create_topics

COMMANDS = 100_000
TUTORIAL = 5_000
KEYS = 10_007
DELAYS_MS = (100, 0)


async def bare(lab: Lab, delay_ms: int) -> Sample:
    port, log = free_port(), lab.folder / "stripe.log"
    async with python("tests.bench.contenders.stripe_stub", str(port), str(delay_ms), log=log) as stub:
        await listening(port, stub, log)
        url = f"http://127.0.0.1:{port}"
        sample: Sample = orjson.loads(await output("tests.bench.contenders.bare_client", url, str(COMMANDS)))
        return sample


async def tutorial(lab: Lab, delay_ms: int) -> Sample:
    port, log = free_port(), lab.folder / "stripe.log"
    topics = {f"bench-commands-{port}": 1, f"bench-results-{port}": 1}
    await create_topics(lab.bootstrap_servers, topics)
    await produce(lab, next(iter(topics)), commands(TUTORIAL, keys=KEYS, partitions=1))
    async with python("tests.bench.contenders.stripe_stub", str(port), str(delay_ms), log=log) as stub:
        await listening(port, stub, log)
        arguments = (lab.bootstrap_servers, *topics, f"http://127.0.0.1:{port}", str(TUTORIAL))
        sample: Sample = orjson.loads(await output("tests.bench.contenders.tutorial_worker", *arguments))
        return sample


async def confluents(lab: Lab, delay_ms: int, partitions: int) -> Sample:
    async with setup(lab, partitions=partitions, delay_ms=delay_ms) as of:
        topics = of.cluster.settings.topics
        await produce(lab, topics.command, commands(COMMANDS, keys=KEYS, partitions=partitions))
        made = await watched(of, parallel_consumer(of), topics.result, COMMANDS, quiet_s=5)
        return {**made, **await in_flight(of)}


async def ours(lab: Lab, delay_ms: int, partitions: int) -> Sample:
    async with setup(lab, partitions=partitions, delay_ms=delay_ms) as of:
        topics = of.cluster.settings.topics
        await produce(lab, topics.command, commands(COMMANDS, keys=KEYS, partitions=partitions))
        return {**await watched(of, process(of, "executor"), topics.result, COMMANDS), **await in_flight(of)}


COLUMNS = (
    Column("per_s", "commands a second"),
    Column("per_s", "÷ bare client", of="bare aiohttp client"),
    Column("cpu_us", "CPU a command, µs", 1),
    Column("broker_us", "broker's CPU a command, µs", 1),
    Column("most", "calls in flight, at most"),
    Column("mean", "on average"),
    Column("rss_mb", "memory at the end, MB"),
)


async def job(lab: Lab) -> Sequence[Table]:
    return [await _table(lab, delay_ms) for delay_ms in DELAYS_MS]


async def _table(lab: Lab, delay_ms: int) -> Table:
    contenders: dict[str, Contender] = {
        "bare aiohttp client": partial(bare, lab, delay_ms),
        "stripeline, 1 partition": partial(ours, lab, delay_ms, 1),
        "stripeline, 16 partitions": partial(ours, lab, delay_ms, 16),
        "Parallel Consumer, 1 partition": partial(confluents, lab, delay_ms, 1),
        "Parallel Consumer, 16 partitions": partial(confluents, lab, delay_ms, 16),
        "tutorial worker": partial(tutorial, lab, delay_ms),
    }
    when = f"after {delay_ms} ms" if delay_ms else "at once"
    about = (
        f"A backlog of {COMMANDS:,} commands of {KEYS:,} keys; Stripe's stand-in answers {when}. One process, 256 calls"
        f" in flight. The tutorial's worker (aiokafka and the Stripe SDK, at least once, unordered) does {TUTORIAL:,}."
        f" Medians of {lab.rounds} alternating rounds."
    )
    rows = await alternate(lab, contenders)
    return Table(title=f"Executor, Stripe answers {when}", about=about, columns=COLUMNS, rows=rows)
