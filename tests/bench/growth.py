"""The growth job: whether a record costs the same when there are ten times as many keys, partitions, or ids known.

One backlog of a million commands is worked off: its state grows from nothing to a million known ids, and each tenth of
it is a point of the plot. Then a new process restores that state, and one of five million ids, and that from the file
which the process before has kept. Keys and partitions vary
over shorter backlogs. What many ids take of memory is measured without Kafka, up to fifty million.
"""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from tests.bench.contenders import known_ids
from tests.bench.harness import Column, Lab, Plot, Sample, Table
from tests.bench.processes import output, rss_mb
from tests.bench.workers import Mark, Setup, commands, process, produce, setup, watched
from tests.support.scripted_workers import until

MILLION = 1_000_000
MANY = 5 * MILLION
REMEMBERED = {
    "5 million commands of workflows": ("commands", MANY),
    "5 million commands with UUIDs": ("uuids", MANY),
    "5 million finished runs": ("runs", MANY),
    "50 million commands of workflows": ("commands", 10 * MANY),
}
POINTS = 10
SHORT = 30_000
VARIED = {
    "1,000 keys, 4 partitions": (1_000, 4),
    "10,000 keys, 4 partitions": (10_000, 4),
    "30,000 keys, 4 partitions": (30_000, 4),
    "10,000 keys, 1 partition": (10_000, 1),
    "10,000 keys, 10 partitions": (10_000, 10),
    "10,000 keys, 40 partitions": (10_000, 40),
}
_RESTORED = re.compile(r"^stripeline_task_restore_seconds\{[^}]*\} ([0-9.e-]+)$", re.MULTILINE)


async def job(lab: Lab) -> Sequence[Table]:
    varied = {name: await _short(lab, *shape) for name, shape in VARIED.items()}
    lab.note(f"keys and partitions: {varied}")
    empty = await _opened(lab, None)
    points: list[Mark] = []
    restored = await _opened(lab, points)
    slices = sliced(points)
    many, warm = await _restored(lab)
    remembered = {name: await _remembered(lab, *what) for name, what in REMEMBERED.items()}
    restores = _restore_table(empty, restored, many, warm)
    return [_varied_table(varied), _million_table(slices), restores, _remembered_table(remembered)]


async def _short(lab: Lab, keys: int, partitions: int) -> Sample:
    async with setup(lab, partitions=partitions) as of:
        topic = of.cluster.settings.topics.result
        await produce(lab, of.cluster.settings.topics.command, commands(SHORT, keys=keys, partitions=partitions))
        return await watched(of, process(of, "executor"), topic, SHORT)


async def _opened(lab: Lab, points: list[Mark] | None) -> Sample:
    """Work a million off, if `points` are asked for; then what a new process takes to open its state."""
    async with setup(lab, partitions=1) as of:
        topics = of.cluster.settings.topics
        if points is not None:
            await produce(lab, topics.command, commands(MILLION, keys=100_003, partitions=1))
            lab.note("a million commands wait")
            await watched(of, process(of, "executor"), topics.result, MILLION, points.append)
        return await _state_opened(of)


async def _restored(lab: Lab) -> tuple[Sample, Sample]:
    """What a new process takes to open a state of five million ids: from its changelog, then from its file."""
    files = Path(tempfile.mkdtemp(prefix="states-", dir=lab.folder))
    async with setup(lab, partitions=1, worker_state_dir=str(files)) as of:
        records = ((0, key.encode(), value, ()) for key, value in known_ids.commands(MANY))
        await produce(lab, of.cluster.settings.topics.ledger, records)
        lab.note(f"{MANY:,} ids are on the changelog")
        cold = await _state_opened(of)
        await until(lambda: any(files.glob("*.state")), "the file", within_s=120)
        of.cluster.processes.pop("executor").kill()
        return cold, await _state_opened(of)


async def _state_opened(of: Setup) -> Sample:
    made = of.cluster.add("executor", "executor")
    await made.ready(within_s=300)
    assert made.child is not None
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{made.admin_port}/metrics") as answer,
    ):
        restore_s = float(_RESTORED.findall(await answer.text())[0])
    return {"restore_s": restore_s, "rss_mb": rss_mb(made.child.pid)}


async def _remembered(lab: Lab, kind: str, count: int) -> Sample:
    found: Sample = json.loads(await output("tests.bench.contenders.known_ids", kind, str(count)))
    lab.note(f"{count:,} {kind}: {found}")
    return found


def sliced(marks: Sequence[Mark]) -> list[Sample]:
    """CPU per record in each tenth of the backlog, and the memory at its end."""
    found, last = [], marks[0]
    for mark in marks:
        if mark.done - last.done >= MILLION // POINTS or mark is marks[-1]:
            done = mark.done - last.done
            took_s = (mark.at_ms - last.at_ms) / 1000
            found.append(
                {
                    "done": mark.done, "cpu_us": (mark.cpu_s - last.cpu_s) / max(1, done) * 1e6,
                    "per_s": done / took_s if took_s else 0.0, "rss_mb": mark.rss_mb, "size": done,
                }
            )  # fmt: skip
            last = mark
    return [point for point in found if point["size"] > MILLION // POINTS // 2]


def _varied_table(rows: Mapping[str, Sample]) -> Table:
    first = next(iter(rows))
    columns = (
        Column("per_s", "commands a second"), Column("cpu_us", "CPU a command, µs", 1),
        Column("cpu_us", "÷ the first", of=first), Column("rss_mb", "memory, MB"),
    )  # fmt: skip
    about = f"{SHORT:,} commands on an executor, Stripe answers at once: ten and thirty times the keys, ten and forty"
    about += " times the partitions."
    return Table(title="Growth of keys and partitions", about=about, columns=columns, rows=rows)


def _million_table(points: Sequence[Sample]) -> Table:
    rows = {f"{point['done']:,.0f} done": point for point in points}
    columns = (
        Column("per_s", "commands a second"), Column("cpu_us", "CPU a command, µs", 1),
        Column("cpu_us", "÷ the first", of=next(iter(rows))), Column("rss_mb", "memory, MB"),
    )  # fmt: skip
    plot = Plot(
        title="A million commands: CPU of each, while the state grows to a million ids",
        x="commands done, thousands", y="CPU a command, µs",
        lines={"CPU a command, µs": [(point["done"] / 1000, point["cpu_us"]) for point in points]},
    )  # fmt: skip
    about = "A backlog of a million commands on one partition, worked off by one executor: each tenth of it."
    return Table(title="Growth of the backlog and of the state", about=about, columns=columns, rows=rows, plot=plot)


def _restore_table(empty: Sample, million: Sample, many: Sample, warm: Sample) -> Table:
    opened = {
        "a million ids": (million, MILLION), "5 million ids": (many, MANY),
        "5 million ids, from a file": (warm, MANY),
    }  # fmt: skip
    each = {
        name: {**one, "bytes": (one["rss_mb"] - empty["rss_mb"]) / count * 1e6} for name, (one, count) in opened.items()
    }
    columns = (
        Column("restore_s", "restored in, s", 2), Column("rss_mb", "memory, MB"), Column("bytes", "bytes an id"),
    )  # fmt: skip
    about = (
        "An executor's process that opens the state of one partition, from its changelog unless a file is named"
        " (`WORKER_STATE_DIR`), with the page cache warm. The memory has what a restore"
    )
    about += " leaves to be used again."
    return Table(title="Restore", about=about, columns=columns, rows={"no id": empty, **each})


def _remembered_table(rows: Mapping[str, Sample]) -> Table:
    columns = (
        Column("bytes", "bytes each", 1), Column("rss_mb", "memory of the process, MB"),
        Column("put_us", "to add, µs", 1), Column("miss_us", "to find that one is unknown, µs", 1),
        Column("hit_us", "to find an old one, µs", 1),
    )  # fmt: skip
    about = "The state of one task in a process of its own, filled as a restore fills it, without Kafka."
    return Table(title="What is remembered of what has ended", about=about, columns=columns, rows=rows)
