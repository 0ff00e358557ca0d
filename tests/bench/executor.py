"""The executor job: `stripeline executor` on a backlog of commands, beside the bare client and other workers.

Ordered by key, exactly once, 256 calls in flight, one and sixteen partitions; Stripe answers at once, or after 100 ms.
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import orjson

from stripeline.deploy.local.kafka import free_port
from tests.bench.harness import Column, Contender, Lab, Sample, Table, alternate
from tests.bench.processes import listening, output, python
from tests.bench.workers import commands, process, produce, setup, watched
from tests.support.broker import create_topics
from tests.support.tools import java_program, maven_jars

COMMANDS = int(os.environ.get("BENCH_COMMANDS", "100000"))
TUTORIAL = 5_000
PARALLEL_CONSUMER = Path(__file__).parent / "contenders" / "ParallelConsumerWorker.java"
JARS = (
    "io.confluent.parallelconsumer:parallel-consumer-core:jar:0.5.3.3:compile",
    "com.fasterxml.jackson.core:jackson-databind:jar:2.19.2:compile",
    "org.slf4j:slf4j-simple:jar:1.7.36:compile",
)
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


async def parallel_consumer(lab: Lab, delay_ms: int, partitions: int) -> Sample:
    """Confluent's Parallel Consumer, measured as ours is: from its first results to its last."""
    async with setup(lab, partitions=partitions, delay_ms=delay_ms) as of:
        topics = of.cluster.settings.topics
        await produce(lab, topics.command, commands(COMMANDS, keys=KEYS, partitions=partitions))

        @asynccontextmanager
        async def started() -> AsyncIterator[subprocess.Popen[bytes]]:
            java = await asyncio.to_thread(java_program, PARALLEL_CONSUMER, maven_jars(*JARS), options=("-Xmx1g",))
            arguments = (lab.bootstrap_servers, topics.command, topics.result, of.stripe_url)
            with (of.cluster.folder / "parallel-consumer.log").open("ab") as log:
                child = subprocess.Popen([*java, *arguments], stdout=log, stderr=log)  # noqa: ASYNC220  (its id is what is asked for)
            try:
                yield child
            finally:
                child.kill()
                child.wait()

        return await watched(of, started, topics.result, COMMANDS)


async def ours(lab: Lab, delay_ms: int, partitions: int) -> Sample:
    async with setup(lab, partitions=partitions, delay_ms=delay_ms) as of:
        topics = of.cluster.settings.topics
        await produce(lab, topics.command, commands(COMMANDS, keys=KEYS, partitions=partitions))
        return await watched(of, process(of, "executor"), topics.result, COMMANDS)


COLUMNS = (
    Column("per_s", "commands a second"),
    Column("per_s", "÷ bare client", of="bare aiohttp client"),
    Column("cpu_us", "CPU a command, µs", 1),
    Column("rss_mb", "memory at the end, MB"),
)


async def job(lab: Lab) -> Sequence[Table]:
    return [await _table(lab, delay_ms) for delay_ms in DELAYS_MS]


async def _table(lab: Lab, delay_ms: int) -> Table:
    contenders: dict[str, Contender] = {
        "bare aiohttp client": partial(bare, lab, delay_ms),
        "stripeline, 1 partition": partial(ours, lab, delay_ms, 1),
        "stripeline, 16 partitions": partial(ours, lab, delay_ms, 16),
        "Parallel Consumer, 1 partition": partial(parallel_consumer, lab, delay_ms, 1),
        "Parallel Consumer, 16 partitions": partial(parallel_consumer, lab, delay_ms, 16),
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
