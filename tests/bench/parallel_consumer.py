"""Confluent's Parallel Consumer as a process under measurement: fetched from Maven, compiled and run without a JDK."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.workers import Setup, Start
from tests.support.tools import java_program, maven_jars

SOURCE = Path(__file__).parent / "contenders" / "ParallelConsumerWorker.java"
JARS = (
    "io.confluent.parallelconsumer:parallel-consumer-core:jar:0.5.3.3:compile",
    "com.fasterxml.jackson.core:jackson-databind:jar:2.19.2:compile",
    "org.slf4j:slf4j-simple:jar:1.7.36:compile",
)
MEMORY = "-Xmx1g"


def parallel_consumer(of: Setup) -> Start:
    """From the command topic to the result topic, as `stripeline executor` does; killed at the end."""
    topics = of.cluster.settings.topics

    @asynccontextmanager
    async def started() -> AsyncIterator[subprocess.Popen[bytes]]:
        java = await asyncio.to_thread(lambda: java_program(SOURCE, maven_jars(*JARS), options=(MEMORY,)))
        command = [*java, of.lab.bootstrap_servers, topics.command, topics.result, of.stripe_url]
        with (of.cluster.folder / "parallel-consumer.log").open("ab") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220  its process id is measured
        try:
            yield child
        finally:
            child.kill()
            child.wait()

    return started
