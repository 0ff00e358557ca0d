"""Gathers the facts for `stripeline status`: side by side, each with a deadline of its own. Makes no judgement.

A Kafka that is away is a fact with its cause, and what can't be read for another reason is named with that reason: one
right that is missing hides no other finding.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from aiokafka.errors import KafkaError

from stripeline.contracts.internal_records import Run
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.connection_errors import cleaned
from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.deploy.operations.denials import denial
from stripeline.deploy.operations.kafka_abilities import lacking
from stripeline.deploy.operations.reading.audit_reader import letter_states
from stripeline.deploy.operations.reading.letter_states import NO_ACTS
from stripeline.deploy.operations.reading.topic_reader import Wanted, newest
from stripeline.deploy.operations.reading.undecided import undecided
from stripeline.deploy.operations.reading.views import run_of
from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.operations.status.backlog import GROUPS, Backlog, read_backlog
from stripeline.deploy.operations.status.facts import Facts, Tally, event_retention_ms
from stripeline.deploy.operations.status.tallies import (
    WaitingTally,
    is_open,
    letters_by_reason,
    runs_by_code,
    unmade_by_type,
)
from stripeline.deploy.operations.status.workers import Workers, read_workers
from stripeline.deploy.operations.topic_problems import TopicProblem
from stripeline.deploy.operations.topics import Look, installation_problem, look
from stripeline.deploy.running_version import running_version
from stripeline.deploy.settings.settings import Settings
from stripeline.workers.kafka.control_table import ControlError, read_all

_EACH_S: Final = 20.0
_MOST: Final = 5_000
_MOST_RUNS: Final = 1_000
Found = TypeVar("Found")


@dataclass(slots=True)
class _Looks:
    """What is asked, and what could not be answered."""

    settings: Settings
    client: Mapping[str, Any]
    missed: dict[str, str] = field(default_factory=dict)

    async def of(self, what: str, asked: Callable[[], Awaitable[Found]]) -> Found | None:
        try:
            async with asyncio.timeout(_EACH_S):
                return await asked()
        except TimeoutError:
            self.missed[what] = f"it could not be read within {_EACH_S:g} s. Try again, and look at Kafka's load"
        except (KafkaError, FailureError, ControlError, OSError) as error:
            self.missed[what] = self._words(error)
        return None

    def _words(self, error: Exception) -> str:
        denied = denial(error, [Purpose.READING], self.settings.topics, self.client)
        return denied or cleaned(str(error) or type(error).__name__)


async def gather(settings: Settings, client: Mapping[str, Any]) -> Facts:
    """The facts now. Raises nothing that Kafka causes."""
    base = Facts(
        now_ms=int(time.time() * 1000), kafka=settings.kafka_bootstrap_servers, prefix=settings.topic_prefix,
        version=running_version(), partitions=settings.partitions, session_ms=settings.session_timeout_ms,
    )  # fmt: skip
    away = await why_unreachable(settings, client)
    if away is not None:
        return replace(base, kafka_away=away)
    topics, looks = settings.topics, _Looks(settings, client)
    seen, workers, stored, letters, waiting, offsets = await asyncio.gather(
        looks.of("the topics", lambda: _topics(settings, client)),
        looks.of("the processes", lambda: read_workers(topics, client)),
        looks.of("the definitions", lambda: read_all(topics.control, client)),
        looks.of("the dead letters", lambda: _letters(topics, client)),
        looks.of("waiting commands", lambda: _waiting(topics, client)),
        looks.of(GROUPS, lambda: read_backlog(topics, client)),
    )
    runs, unmade = await asyncio.gather(
        looks.of("the stopped runs", lambda: _stopped(topics, client, workers, settings.partitions)),
        looks.of("Stripe's notices", lambda: unmade_of_a_day(topics, client)),
    )
    found, problems = seen if seen is not None else (None, [])
    left = Backlog() if offsets is None else offsets
    return replace(
        base, problems=problems, advice=() if found is None else found.advice, workers=workers, definitions=stored,
        now_ms=base.now_ms if workers is None else workers.now_ms, dead_letters=letters, stopped_runs=runs,
        unmade_events=unmade,
        waiting=None if waiting is None else waiting.found, unread=left.unread, backlog=left.records,
        not_looked_at=looks.missed, event_retention_ms=event_retention_ms(topics),
    )  # fmt: skip


async def _topics(settings: Settings, client: Mapping[str, Any]) -> tuple[Look, list[TopicProblem]]:
    """The topics, with all their problems."""
    found = await look(
        settings.topics, settings.partitions, client, session_timeout_ms=settings.session_timeout_ms,
        lacks=await lacking(client),
    )  # fmt: skip
    control = next(state for state in found.states if state.wanted.name == settings.topics.control)
    readable = control.found is not None and not any(problem.denied for problem in control.problems)
    wrong = await installation_problem(settings.topics, client) if readable else None
    return found, [*found.problems, *([] if wrong is None else [wrong])]


async def _letters(topics: Topics, client: Mapping[str, Any]) -> Tally:
    """The open dead letters by reason, of the newest."""
    page = await newest(topics.dead_letter, client, Wanted(keep=lambda _: True, limit=_MOST))
    oldest_ms = min((read.at_ms for read in page.records), default=None)
    known = NO_ACTS if oldest_ms is None else await letter_states(topics, client, oldest_ms)
    return letters_by_reason([read for read in page.records if is_open(known, read)], more=page.cut)


async def unmade_of_a_day(topics: Topics, client: Mapping[str, Any]) -> Tally:
    """Stripe's notices of the last day, by the type of the object."""
    since_ms = int(time.time() * 1000) - DAY_MS
    try:
        page = await newest(topics.health_event, client, Wanted(keep=lambda _: True, limit=_MOST, since_ms=since_ms))
    except FailureError:  # the topic is not there: the look at the topics says so
        return Tally(by={})
    return unmade_by_type(page.records, more=page.cut)


async def _waiting(topics: Topics, client: Mapping[str, Any]) -> WaitingTally:
    tally = WaitingTally(topics, int(time.time() * 1000))
    async for records in undecided(topics, client):
        tally.add(records)
    return tally


async def _stopped(
    topics: Topics, client: Mapping[str, Any], workers: Workers | None, partitions: int
) -> Tally:  # fmt: skip
    """The stopped runs by code. Routers say how many there are; where they say none, the runs are not read."""
    told = [
        task.stopped
        for one in ([] if workers is None else workers.live)
        for task in one.report.tasks
        if task.role == "router" and task.open and task.stopped is not None
    ]
    if len(told) == partitions and not any(told):
        return Tally(by={})

    def stopped(run: Run | None) -> bool:
        return run is not None and run.status == "stopped"

    wanted = Wanted(keep=lambda read: stopped(run_of(read)), limit=_MOST_RUNS, per_key=True)
    page = await newest(topics.run, client, wanted)
    return runs_by_code([run for read in page.records if (run := run_of(read)) is not None], more=page.cut)
