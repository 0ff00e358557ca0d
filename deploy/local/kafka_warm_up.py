"""Makes starts of the local Kafka twice as quick, by a training run that is done once per machine.

Worth its 10 seconds where Kafka is started often: the tests, a build image. Kafka starts without it all the same,
so it must never be part of a start.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.local.kafka_jars import KafkaHome, LocalKafkaError, Progress, exclusive, fetch, logged

_DUMP_TIMEOUT_S: Final = 120.0


async def warm_up(cache_dir: Path | None = None, progress: Progress = logged) -> None:
    """Fetch the jars, and build Java's ahead-of-time cache if it is not there yet."""
    home = await asyncio.to_thread(fetch, cache_dir, progress)
    if home.archive.exists():
        return
    with exclusive(home.archive.with_suffix(".lock"), progress):
        if not home.archive.exists():  # the process waited for may have built it
            progress("Preparing quick starts of Apache Kafka (about 10 s, only this once)")
            await _train(home, cache_dir, progress)


async def _train(home: KafkaHome, cache_dir: Path | None, progress: Progress) -> None:
    # https://openjdk.org/jeps/514: Java records what a run loads and links, and writes the cache when that run ends.
    unfinished = home.archive.with_suffix(".new")
    with tempfile.TemporaryDirectory(prefix="stripeline-kafka-") as folder:
        port, data_dir = free_port(), Path(folder)
        spec = KafkaSpec(port=port, data_dir=data_dir, cache_dir=cache_dir, stop_timeout_s=_DUMP_TIMEOUT_S)
        trainee = LocalKafka(spec, java_options=(f"-XX:AOTCacheOutput={unfinished}",))
        try:
            await trainee.start(progress)
        finally:
            await trainee.stop()
    if not unfinished.exists():
        raise LocalKafkaError("Java wrote no ahead-of-time cache. Kafka still starts without it, only slower.")
    unfinished.replace(home.archive)
