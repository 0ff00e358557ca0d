"""Measures the console's index with a million runs: `python -m tests.bench.console_index [RUNS] [WHERE [ask]]`.

Records go through the real write path, without Kafka: decoded, and written in batches as they are fetched. Then every
question of the pages is asked a number of times, while nothing else is written. `ask`: of what was built before.
"""

import asyncio
import random
import resource
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from sqlalchemy import text

from stripeline.deploy.console.index.batch_writing import BatchWriting
from stripeline.deploy.console.index.index_store import IndexStore, open_store
from stripeline.deploy.console.index.store_reset import make_again
from tests.support.index_queries import page_queries
from tests.support.many_runs import TOPICS, records

_BATCH = 5_000
_ROUNDS = 20
_WINDOW_MS = 6 * 86_400_000


async def build(store: IndexStore, runs: int, now_ms: int) -> tuple[int, float]:
    """How many records, and in how many seconds."""
    writing, places, count, began_s = BatchWriting(store, TOPICS, lambda: 0), {}, 0, time.monotonic()
    stream = records(0, runs, now_ms, _WINDOW_MS // runs, runs)
    while batch := list(islice(stream, _BATCH)):
        moved, left_out = await writing.write(batch, places)
        assert left_out == 0
        places |= moved
        count += len(batch)
        if count % 500_000 == 0:
            print(f"{count:,} records, {count / (time.monotonic() - began_s):,.0f} a second", flush=True)
    return count, time.monotonic() - began_s


async def ask(store: IndexStore, runs: int, now_ms: int) -> None:
    chance = random.Random(7)
    took: dict[str, list[float]] = {}
    for _ in range(_ROUNDS):
        number = chance.randrange(runs)
        from_ms = now_ms - (runs - number) * (_WINDOW_MS // runs)
        for name, query in page_queries(now_ms, number, from_ms).items():
            began_s = time.perf_counter()
            await store.ask(query)
            took.setdefault(name, []).append((time.perf_counter() - began_s) * 1000)
    print("| question | p50, ms | p95, ms |\n| --- | ---: | ---: |")
    for name, found in took.items():
        print(f"| {name} | {statistics.median(found):.1f} | {statistics.quantiles(found, n=20)[18]:.1f} |")


async def measure(runs: int, where: str) -> None:
    now_ms = int(time.time() * 1000)
    store = await asyncio.to_thread(open_store, where)
    try:
        await store.change(lambda db: make_again(db, {"progress_ms": now_ms}))
        count, took_s = await build(store, runs, now_ms)
        print(f"{runs:,} runs, {count:,} records: {took_s:.0f} s, {count / took_s:,.0f} records a second")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"memory at most {peak_mb:.0f} MB")
        if "://" in where:
            size = await store.ask(lambda db: db.execute(text("SELECT pg_database_size(current_database())")).scalar())
        else:
            size = sum(path.stat().st_size for path in Path(where).parent.glob(f"{Path(where).name}*"))
        print(f"{(size or 0) / 1e6:,.0f} MB on disk", flush=True)
        await ask(store, runs, now_ms)
    finally:
        await store.close()


async def measure_again(runs: int, where: str) -> None:
    store = await asyncio.to_thread(open_store, where)
    try:
        newest_ms = await store.ask(lambda db: db.execute(text("SELECT max(started_ms) FROM run")).scalar())
        await ask(store, runs, int(newest_ms or 0))
    finally:
        await store.close()


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    if len(sys.argv) > 2:
        measured = measure_again if sys.argv[3:] == ["ask"] else measure
        asyncio.run(measured(wanted, sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(wanted, str(Path(folder) / "index.db")))
