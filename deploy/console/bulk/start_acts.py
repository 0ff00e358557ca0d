"""Starts the runs of events: what would start, and the acts. An event is named by its place on its topic."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from stripeline.contracts.shown_text import shown
from stripeline.deploy.console.addresses import place_in_topic
from stripeline.deploy.console.bulk.act_selection import ActSelection, SelectionError
from stripeline.deploy.console.bulk.bulk_kind import Chosen
from stripeline.deploy.console.bulk.frozen_list import MAX_WORDS, FrozenItem, left_out, money_of
from stripeline.deploy.console.console_page import Question
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.index.queries.runs import runs_at
from stripeline.deploy.console.record_fetch import Place
from stripeline.deploy.operations.acts import run_starts
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.run_starts import StartCandidate, StartPlan


@dataclass(frozen=True, slots=True)
class StartActs:
    """Of the workflow that the selection names."""

    sources: Sources
    selection: ActSelection

    async def choose(self, question: Question) -> Chosen:
        for one in self.selection.ids:
            event_place(question.sources, one)
        return Chosen(ids=self.selection.ids)

    async def prospects(self, ids: Sequence[str], signed: Signed) -> list[FrozenItem]:
        plan, found = await _candidates(self.sources, self.selection, ids, signed.at_ms)
        why = f"it is not of the trigger {plan.workflow.trigger} and the types of {plan.name}, or a second delivery"
        return [_item(one, found[one]) if one in found else left_out(one, why) for one in ids]

    async def acts(self, items: Sequence[FrozenItem], signed: Signed) -> list[Act]:
        plan, found = await _candidates(self.sources, self.selection, [one.id for one in items], signed.at_ms)
        return list(run_starts.acts(self.sources.topics, plan, found.values(), signed))


def event_place(sources: Sources, id_: str) -> Place:
    """`TOPIC/PARTITION/OFFSET`. Raises SelectionError."""
    topic, number, offset = (*id_.rsplit("/", 2), "", "")[:3]
    place = place_in_topic(number, offset)
    if place is None or topic not in sources.topics.events:
        raise SelectionError(f"{id_!r} is no event: it is TOPIC/PARTITION/OFFSET.")
    return topic, *place


def _item(id_: str, one: StartCandidate) -> FrozenItem:
    command = one.command
    return FrozenItem(
        id=id_, does=one.starts, outcome=one.fate if not one.starts else one.fate.partition(":")[0],
        words=shown(f"{one.run} {one.fate}", MAX_WORDS), command_id=None if command is None else command["command_id"],
        **money_of(None if command is None else command["input"]),
    )  # fmt: skip


async def _candidates(
    sources: Sources, selection: ActSelection, ids: Sequence[str], now_ms: int
) -> tuple[StartPlan, dict[str, StartCandidate]]:
    """Raises FailureError for a workflow that is not there."""
    # A person chose each of these events, the late ones too.
    plan = run_starts.plan_for(sources.topics, sources.definitions(), selection.workflow or "", late_rule=False)
    reads = await sources.records.many([event_place(sources, one) for one in ids])
    ordered = [read for one in ids if (read := reads.get(event_place(sources, one))) is not None]

    def found(known: Container[str]) -> list[StartCandidate]:
        return list(run_starts.candidates(plan, ordered, known, now_ms))

    known = await sources.index.ask(runs_at([one.run for one in found(())]))
    return plan, {f"{one.read.topic}/{one.read.partition}/{one.read.offset}": one for one in found(known)}
