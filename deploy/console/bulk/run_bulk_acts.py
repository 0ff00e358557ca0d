"""Retries, cancels and erases runs: what would happen to each, and the acts.

The newest record of a run is what counts, when it is previewed as well as when it is confirmed. A run whose retry is
not what was previewed any more is left out. A cancellation or an erasure is the same whatever the run did meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stripeline.contracts.shown_text import shown
from stripeline.deploy.console.bulk.act_selection import MAX_ITEMS, ActSelection
from stripeline.deploy.console.bulk.bulk_act import BulkAct
from stripeline.deploy.console.bulk.bulk_kind import Chosen
from stripeline.deploy.console.bulk.frozen_list import MAX_WORDS, FrozenItem, left_out, money_of
from stripeline.deploy.console.console_page import Question
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.filters import run_filters
from stripeline.deploy.console.index.queries.runs import RunQuestion, matching_runs, runs_at
from stripeline.deploy.operations.acts import erasures, run_prospects
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.erasures import Erasure
from stripeline.deploy.operations.acts.run_prospects import FoundRun, Plan, Prospect
from stripeline.deploy.operations.reading.views import run_of

_STATUSES: Final[Mapping[BulkAct, tuple[str, ...]]] = {
    BulkAct.RETRY: ("stopped",),
    BulkAct.CANCEL: ("running", "stopped"),
}
_GONE: Final = "the index does not have it, or Kafka has a newer record of it"


@dataclass(frozen=True, slots=True)
class RunBulkActs:
    """By its selection: retries or cancellations."""

    sources: Sources
    selection: ActSelection

    async def choose(self, question: Question) -> Chosen:
        if self.selection.ids:
            return await by_age(question, self.selection.ids)
        given = question.given
        asked = RunQuestion(filters=run_filters(question), event_type=given("type"), trigger=given("trigger"))
        rows = await question.sources.index.ask(matching_runs(asked, _STATUSES[self.selection.act], MAX_ITEMS + 1))
        newest = rows[:MAX_ITEMS]
        return Chosen(ids=tuple(row.run_id for row in reversed(newest)), cut=len(rows) > MAX_ITEMS)

    async def prospects(self, ids: Sequence[str], signed: Signed) -> list[FrozenItem]:
        plan = self._plan()
        return await _items(self.sources, ids, lambda one: self._item(plan(one, signed)))

    def _item(self, prospect: Prospect) -> FrozenItem:
        run, command = prospect.found.run, prospect.command
        code = None if run.error is None else run.error.code
        words = shown(prospect.words, MAX_WORDS)
        if prospect.act is None:
            return FrozenItem(id=run.run_id, does=False, outcome=words.partition(":")[0], words=words, code=code)
        return FrozenItem(
            id=run.run_id, does=True, outcome=self._outcome(prospect), words=words, code=code,
            command_id=None if command is None else command["command_id"],
            **money_of(None if command is None else command["input"]),
        )  # fmt: skip

    def _outcome(self, prospect: Prospect) -> str:
        if self.selection.act is BulkAct.CANCEL:
            return "no more steps"
        return "it ends" if prospect.command is None else "its step begins again, as a new command"

    def _plan(self) -> Plan:
        if self.selection.act is BulkAct.CANCEL:
            return run_prospects.cancel_plan
        return run_prospects.retry_plan(self.sources.definitions(), as_started=self.selection.as_started)

    async def acts(self, items: Sequence[FrozenItem], signed: Signed) -> list[Act]:
        previewed = {one.id: one.words for one in items}
        plan = self._plan()
        prospects = [plan(one, signed) for one in (await _found(self.sources, list(previewed))).values()]
        if self.selection.act is BulkAct.RETRY:
            # Another attempt has another Idempotency-Key: what was not previewed is not begun.
            prospects = [one for one in prospects if shown(one.words, MAX_WORDS) == previewed[one.found.run.run_id]]
        return run_prospects.acts_of(self.sources.topics, prospects, signed)


@dataclass(frozen=True, slots=True)
class RunErasures:
    """Erases runs, which are always named one by one."""

    sources: Sources
    selection: ActSelection

    async def choose(self, question: Question) -> Chosen:
        return await by_age(question, self.selection.ids)

    async def prospects(self, ids: Sequence[str], _: Signed) -> list[FrozenItem]:
        def item(found: FoundRun) -> FrozenItem:
            one = Erasure(run=found.run, partition=found.partition)
            return FrozenItem(id=found.run.run_id, does=one.erases, outcome=one.fate)

        return await _items(self.sources, ids, item)

    async def acts(self, items: Sequence[FrozenItem], signed: Signed) -> list[Act]:
        found = await _found(self.sources, [one.id for one in items])
        asked = [Erasure(run=one.run, partition=one.partition) for one in found.values()]
        return list(erasures.acts(self.sources.topics, asked, signed))


async def by_age(question: Question, ids: Sequence[str]) -> Chosen:
    rows = await question.sources.index.ask(runs_at(ids))
    return Chosen(
        ids=tuple(sorted(ids, key=lambda one: (rows[one].started_ms if one in rows else question.now_ms, one)))
    )


async def _items(sources: Sources, ids: Sequence[str], item: Callable[[FoundRun], FrozenItem]) -> list[FrozenItem]:
    found = await _found(sources, ids)
    return [item(found[one]) if one in found else left_out(one, _GONE) for one in ids]


async def _found(sources: Sources, ids: Sequence[str]) -> dict[str, FoundRun]:
    """The runs as their newest records have them, oldest first."""
    rows = await sources.index.ask(runs_at(ids))
    topic = sources.topics.run
    reads = await sources.records.many([(topic, row.number, row.offset) for row in rows.values()])
    found = {}
    for one in ids:
        row = rows.get(one)
        read = None if row is None else reads.get((topic, row.number, row.offset))
        run = None if read is None else run_of(read)
        if row is not None and run is not None and run.run_id == one:
            found[one] = FoundRun(run=run, partition=row.number)
    return found
