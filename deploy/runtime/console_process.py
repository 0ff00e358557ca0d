"""Wires the console: its index, the workers' reports, records and the sign-in, served until stopped.

It serves its pages whether Kafka answers or not: each page then says what is missing. Kafka's absence makes it not
ready, and never ends it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

import structlog

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.sign_in import SignIn
from stripeline.deploy.console.auth.sign_in_counts import SignInCounts
from stripeline.deploy.console.console_app import console_app
from stripeline.deploy.console.console_counters import ConsoleCounters
from stripeline.deploy.console.console_server import served
from stripeline.deploy.console.console_sources import Index, Sources
from stripeline.deploy.console.index.catch_up import STORE, CatchUp
from stripeline.deploy.console.index.topic_index import topic_index
from stripeline.deploy.console.overview.kafka_look import backlog_look, notices_look
from stripeline.deploy.console.overview.worker_watch import WorkerWatch
from stripeline.deploy.console.record_fetch import RecordFetch
from stripeline.deploy.operations.acts.audit import commit_acts
from stripeline.deploy.operations.acts.pausing import Pausing
from stripeline.deploy.runtime.process.admin_server import failing
from stripeline.deploy.runtime.process.port_in_use import named_ports
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.settings.settings import Settings
from stripeline.deploy.telemetry.metrics.console import CONSOLE
from stripeline.deploy.telemetry.sources import ConsoleView

log = structlog.get_logger(__name__)
_OWN: Final = frozenset({"process"})
_END_S: Final = 5.0


async def console_part(
    shared: Shared, stop: asyncio.Event, *, sign_in: Callable[[Index], Awaitable[SignIn]],
    counters: ConsoleCounters | None = None,
) -> None:  # fmt: skip
    """Serve the pages until stopped. sign_in: the way for people, whose key is in the index.

    Raises FailureError for a port in use.
    """
    settings, counted = shared.settings, counters or ConsoleCounters()
    shared.checks["topics"] = lambda: shared.topics.all_missing(followed(settings.topics))
    host, port = settings.console_host, settings.console_port
    async with AsyncExitStack() as stack:
        index = await stack.enter_async_context(
            topic_index(
                store_of(settings), settings.topics, shared.client, window_ms=settings.console_window_ms,
                words=shared.words,
            )
        )  # fmt: skip
        await stack.enter_async_context(beside(index.run()))
        records = await stack.enter_async_context(RecordFetch(shared.client))
        shared.checks["store"] = lambda: index.catch_up().missing.get(STORE)
        shared.warnings["index"] = lambda: behind(index.catch_up())
        watch = WorkerWatch(settings.topics, shared.client, settings.partitions, shared.words)
        await stack.enter_async_context(beside(watch.run()))
        groups = backlog_look(settings.topics, shared.client, shared.words)
        await stack.enter_async_context(beside(groups.run()))
        notices = notices_look(settings.topics, shared.client, shared.words)
        await stack.enter_async_context(beside(notices.run()))
        shared.warnings["workers"] = watch.missing
        sources = Sources(
            topics=settings.topics, client=shared.client, partitions=settings.partitions,
            window_ms=settings.console_window_ms, index=index, records=records,
            workers=watch.workers, history=lambda: watch.history, backlog=groups.found,
            unmade=notices.found,
            not_known=lambda: {**watch.not_known(), **groups.not_known(), **notices.not_known()},
            definitions=lambda: shared.table.definitions, missing=lambda: missing(shared),
            commit=partial(commit_acts, settings.topics, shared.client),
            pausing=Pausing(settings.topics, shared.client), counters=counted,
            faults=lambda: shared.topics.faults, advice=lambda: shared.topics.advice,
            session_ms=settings.session_timeout_ms,
        )  # fmt: skip
        people = await sign_in(index)
        shared.metrics.show(CONSOLE, lambda: view_of(sources, people.counts))
        app = console_app(sources, people)
        with named_ports(host, port, "CONSOLE"):
            listening = await stack.enter_async_context(served(app, host, port))
        log.info(LogEvent.CONSOLE_LISTENING, host=host, port=listening)
        await stop.wait()


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that ends with the block."""
    task = asyncio.create_task(work, name="console")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,), timeout=_END_S)


def view_of(sources: Sources, sign_ins: SignInCounts) -> ConsoleView:
    """What its metrics show."""
    return ConsoleView(
        now_ms=int(time.time() * 1000), counters=sources.counters, sign_ins=sign_ins,
        catch_up=sources.index.catch_up(), acts=sources.acting.count,
    )  # fmt: skip


def followed(topics: Topics) -> frozenset[str]:
    """The topics without which the pages have nothing to show."""
    return frozenset({topics.control, topics.run, topics.worker})


def store_of(settings: Settings) -> str | None:
    """Where the index is kept; None for a file that ends with the process."""
    return None if settings.console_store is None else settings.console_store.get_secret_value()


def missing(shared: Shared) -> str | None:
    """What keeps the pages from showing what is true now, for every page."""
    found = {name: words for name, words in failing(shared.checks).items() if name not in _OWN}
    return "; ".join(dict.fromkeys(found.values())) or None


def behind(state: CatchUp) -> str | None:
    """What of the index is missing, in words."""
    found = [f"{topic} can't be read: {why}" for topic, why in state.missing.items()]
    found += [f"{offsets} are left out: {why}" for offsets, why in state.gaps.items()]
    if not found and not state.caught_up:
        return f"it has read {state.percent} %, and {state.unread} records are left"
    return "; ".join(found) or None
