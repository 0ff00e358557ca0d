"""The facts of `stripeline status`, from what the console follows: the rules are the same."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.console.index.queries.connections import waiting_commands
from stripeline.deploy.console.index.queries.status_counts import first_attempted, open_letters, stopped_runs
from stripeline.deploy.operations.status.facts import Facts, WaitingCommands, event_retention_ms

PROCESSES: Final = "the processes"


async def facts_of(sources: Sources, now_ms: int) -> Facts:
    """As of now. What the index has not read whole is counted as `at least`."""
    ask, state, unknown = sources.index.ask, sources.index.catch_up(), dict(sources.not_known())
    whole, backlog = state.whole, sources.backlog()
    letters, runs, waiting, first = await asyncio.gather(
        ask(open_letters(whole=whole)), ask(stopped_runs(whole=whole)), ask(waiting_commands(now_ms)),
        ask(first_attempted()),
    )  # fmt: skip
    return Facts(
        now_ms=now_ms, kafka="", prefix=sources.topics.prefix, version="", partitions=sources.partitions,
        session_ms=sources.session_ms, problems=sources.faults(), advice=sources.advice(),
        workers=None if PROCESSES in unknown else sources.workers(), definitions=sources.definitions(),
        dead_letters=letters, stopped_runs=runs, unmade_events=sources.unmade(), waiting=_with_examples(waiting, first),
        unread=backlog.unread, backlog=backlog.records,
        event_retention_ms=event_retention_ms(sources.topics), not_looked_at={**unknown, **state.missing, **state.gaps},
    )  # fmt: skip


def _with_examples(waiting: Mapping[str, WaitingCommands], first: Mapping[str, str]) -> Sequence[WaitingCommands]:
    return [replace(one, example=first.get(name)) for name, one in sorted(waiting.items())]
