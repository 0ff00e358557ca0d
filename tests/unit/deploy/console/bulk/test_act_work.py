"""Whatever happens between a preview and its end, only what is on the list is committed, and once."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from unittest.mock import patch

from aiokafka.errors import KafkaConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, delete, update
from sqlalchemy.pool import StaticPool

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.console.bulk import act_work
from stripeline.deploy.console.bulk.act_selection import ActSelection
from stripeline.deploy.console.bulk.act_store import (
    EXPIRES_MS,
    ActState,
    act_of,
    added,
    asked_to_stop,
    begun,
    items_of,
)
from stripeline.deploy.console.bulk.act_work import ActWork
from stripeline.deploy.console.bulk.bulk_act import BulkAct
from stripeline.deploy.console.bulk.bulk_kind import Chosen
from stripeline.deploy.console.bulk.frozen_list import FrozenItem
from stripeline.deploy.console.console_page import Question
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.index.tables import metadata, preview
from stripeline.deploy.operations.acts.audit import Act, Signed, audit_record
from tests.support.console_sample import sample_definitions, sample_workers

Found = TypeVar("Found")
NOW_MS = 1_800_000_000_000
SIGNED = Signed(by="ada", why="it is repaired", at_ms=NOW_MS)
Fault = Literal["none", "before", "after", "killed before", "killed after", "stop", "row gone"]
FAULTS: st.SearchStrategy[Fault] = st.sampled_from(
    ["none", "none", "none", "before", "after", "killed before", "killed after", "stop", "row gone"]
)


class MemoryIndex:
    """A store in memory, without threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def ask(self, query: Callable[[Connection], Found]) -> Found:
        with self._engine.begin() as connection:
            return query(connection)

    change = ask


@contextmanager
def memory_index() -> Iterator[MemoryIndex]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        metadata.create_all(engine)
        yield MemoryIndex(engine)
    finally:
        engine.dispose()


@dataclass
class Cluster:
    """What was committed, and what goes wrong with each transaction."""

    index: MemoryIndex
    faults: list[Fault]
    act_id: str = ""
    committed: list[str] = field(default_factory=list)

    async def commit(self, acts: Sequence[Act], *, rate_per_s: float) -> int:
        fault = self.faults.pop(0) if self.faults else "none"
        match fault:
            case "before":
                raise KafkaConnectionError("away")
            case "killed before":
                raise asyncio.CancelledError
            case "stop":
                await self.index.change(asked_to_stop(self.act_id))
            case "row gone":
                await self.index.change(lambda db: db.execute(delete(preview)).rowcount)
            case _:
                pass
        self.committed += [act.audit.about or "" for act in acts]
        match fault:
            case "after":
                raise KafkaConnectionError("away")
            case "killed after":
                raise asyncio.CancelledError
            case _:
                return len(acts)


@dataclass
class Kind:
    """Records of which some are acted on, and some have changed by the time of the confirmation."""

    acting: set[str]
    changed: set[str]

    async def choose(self, _: Question, /) -> Chosen:
        raise NotImplementedError

    async def prospects(self, ids: Sequence[str], _: Signed, /) -> list[FrozenItem]:
        return [FrozenItem(id=one, does=one in self.acting, outcome="is done") for one in ids]

    async def acts(self, items: Sequence[FrozenItem], signed: Signed, /) -> list[Act]:
        there = [one for one in items if one.id not in self.changed]
        return [
            Act(audit=audit_record(AuditedAct.DISMISSED, signed, about=one.id), partition=0, effects=())
            for one in there
        ]


def sources(index: Any, cluster: Cluster) -> Sources:
    return Sources(
        topics=Topics(), client={}, partitions=1, window_ms=1, index=index, records=index, workers=sample_workers,
        definitions=sample_definitions, missing=lambda: None, commit=cluster.commit, pausing=index,
    )  # fmt: skip


IDS = [f"1/{number}" for number in range(11)]
STEPS = st.lists(st.sampled_from(["confirm", "confirm by another", "confirm late", "stop"]), max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    acting=st.sets(st.sampled_from(IDS)), changed=st.sets(st.sampled_from(IDS)), steps=STEPS,
    faults=st.lists(FAULTS, max_size=6),
)  # fmt: skip
def test_only_the_list_is_committed_and_once(
    acting: set[str], changed: set[str], steps: list[str], faults: list[Fault]
) -> None:
    asyncio.run(_lives(acting, changed, steps, faults))


async def _lives(acting: set[str], changed: set[str], steps: list[str], faults: list[Fault]) -> None:
    with memory_index() as index:
        await _live(index, Cluster(index, list(faults)), Kind(acting, changed), steps)


async def _live(index: MemoryIndex, cluster: Cluster, kind: Kind, steps: list[str]) -> None:
    selection = ActSelection(act=BulkAct.DISMISS, ids=tuple(IDS))
    act_id = await index.change(added("ada", selection, len(IDS), cut=False, now_ms=NOW_MS))
    assert act_id is not None
    cluster.act_id = act_id
    await ActWork(sources(index, cluster), act_id, kind).prepare(IDS, SIGNED)
    prepared_ms = (await index.ask(act_of(act_id)) or _none()).since_ms
    confirmed = False
    for step in steps:
        confirmed |= await _step(step, act_id, index, cluster, kind, prepared_ms)
    _check(cluster, kind.acting - kind.changed, confirmed=confirmed)
    stored = await index.ask(act_of(act_id))
    if stored is not None:
        known, most = stored.progress.committed, stored.progress.committed + stored.progress.unknown
        assert known <= len(cluster.committed) <= most
        assert stored.state is not ActState.RUNNING


async def _step(
    step: str, act_id: str, index: MemoryIndex, cluster: Cluster, kind: Kind, prepared_ms: int
) -> bool:  # fmt: skip
    """Whether it confirmed the act; its work has ended then."""
    if step == "stop":
        await index.change(asked_to_stop(act_id))
        return False
    by = "grace" if step == "confirm by another" else "ada"
    now_ms = prepared_ms + (EXPIRES_MS if step == "confirm late" else 1)
    if not await index.change(begun(act_id, by, "it is repaired", 1_000, now_ms)):
        return False
    assert step == "confirm"
    items = await index.ask(items_of(act_id))
    with patch.object(act_work, "MAX_ACTS", 2):
        work = ActWork(sources(index, cluster), act_id, kind).carry_out(items, SIGNED, 1_000)
        await asyncio.gather(asyncio.create_task(work), return_exceptions=True)
    return True


def _check(cluster: Cluster, wanted: set[str], *, confirmed: bool) -> None:
    assert len(cluster.committed) == len(set(cluster.committed))
    assert set(cluster.committed) <= wanted
    assert confirmed or not cluster.committed


def _none() -> Any:
    raise AssertionError("the act is not there")


def test_an_act_without_faults_does_its_whole_list() -> None:
    async def run(index: MemoryIndex) -> None:
        cluster = Cluster(index, [])
        act_id = await index.change(added("ada", ActSelection(act=BulkAct.DISMISS), 11, cut=False, now_ms=NOW_MS)) or ""
        cluster.act_id = act_id
        kind = Kind(set(IDS), set())
        await ActWork(sources(index, cluster), act_id, kind).prepare(IDS, SIGNED)
        prepared_ms = (await index.ask(act_of(act_id)) or _none()).since_ms
        assert await _step("confirm", act_id, index, cluster, kind, prepared_ms)
        assert sorted(cluster.committed) == sorted(IDS)
        assert (await index.ask(act_of(act_id)) or _none()).state is ActState.DONE

    with memory_index() as index:
        asyncio.run(run(index))


def test_a_user_keeps_a_few_previews_only() -> None:
    async def run(index: MemoryIndex) -> None:
        selection = ActSelection(act=BulkAct.DISMISS, ids=tuple(IDS))
        ids = []
        for number in range(14):
            ids.append(await index.change(added("ada", selection, 1, cut=False, now_ms=NOW_MS + number)))
            await index.change(lambda db: db.execute(update(preview).values(state="previewed")).rowcount)
        there = [one for one in ids if one is not None and await index.ask(act_of(one)) is not None]
        assert there == ids[-10:]

    with memory_index() as index:
        asyncio.run(run(index))


def test_lists_are_bounded_together() -> None:
    async def run(index: MemoryIndex) -> None:
        selection = ActSelection(act=BulkAct.DISMISS, ids=tuple(IDS))
        ids = []
        for number in range(25):
            ids.append(
                await index.change(added(f"user {number}", selection, 10_000, cut=False, now_ms=NOW_MS + number))
            )
            await index.change(lambda db: db.execute(update(preview).values(state="done")).rowcount)
        there = [one for one in ids if one is not None and await index.ask(act_of(one)) is not None]
        assert there == ids[-20:]

    with memory_index() as index:
        asyncio.run(run(index))
