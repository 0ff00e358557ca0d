"""Wires the console: its index, the workers' reports, records and the sign-in, served until stopped.

It serves its pages whether Kafka answers or not: each page then says what is missing. Kafka's absence makes it not
ready, and never ends it.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.sign_in import SignIn
from stripeline.deploy.console.console_app import console_app
from stripeline.deploy.console.console_counters import ConsoleCounters
from stripeline.deploy.console.console_server import served
from stripeline.deploy.console.console_sources import Index, Sources
from stripeline.deploy.console.index.catch_up import CatchUp
from stripeline.deploy.console.index.index_store import IndexStore, open_store
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
        index = await stack.enter_async_context(_index(stack.enter_context(store_of(settings))))
        shared.warnings["index"] = lambda: behind(index.catch_up())
        watch = WorkerWatch(settings.topics, shared.client, settings.partitions, shared.words)
        await stack.enter_async_context(beside(watch.run()))
        shared.warnings["workers"] = watch.missing
        sources = Sources(
            topics=settings.topics, client=shared.client, partitions=settings.partitions,
            window_ms=settings.console_window_ms, index=index, records=RecordFetch(shared.client),
            workers=watch.workers, not_known=watch.not_known, history=lambda: watch.history,
            definitions=lambda: shared.table.definitions, missing=lambda: missing(shared),
            commit=partial(commit_acts, settings.topics, shared.client),
            pausing=Pausing(settings.topics, shared.client), counters=counted,
            faults=lambda: shared.topics.faults, advice=lambda: shared.topics.advice,
            session_ms=settings.session_timeout_ms,
        )  # fmt: skip
        people = await sign_in(index)
        shared.metrics.show(
            CONSOLE, lambda: ConsoleView(counters=counted, sign_ins=people.counts, catch_up=index.catch_up())
        )
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


def followed(topics: Topics) -> frozenset[str]:
    """The topics without which the pages have nothing to show."""
    return frozenset({topics.control, topics.run, topics.worker})


@contextmanager
def store_of(settings: Settings) -> Iterator[str]:
    """Where the index is kept: as the settings say, else in a file that ends with the block."""
    if settings.console_store is not None:
        yield settings.console_store.get_secret_value()
        return
    with tempfile.TemporaryDirectory(prefix="stripeline-console-") as folder:
        yield str(Path(folder) / "console.db")


def missing(shared: Shared) -> str | None:
    """What keeps the pages from showing what is true now, for every page."""
    found = {name: words for name, words in failing(shared.checks).items() if name not in _OWN}
    return "; ".join(dict.fromkeys(found.values())) or None


def behind(state: CatchUp) -> str | None:
    """What of the index is missing, in words."""
    if state.missing:
        return "; ".join(f"{topic} can't be read: {why}" for topic, why in state.missing.items())
    return None if state.caught_up else f"it has read {state.percent} %, and {state.unread} records are left"


class _UnfilledIndex:
    """A store that nothing fills yet."""

    def __init__(self, store: IndexStore) -> None:
        self.ask, self.change = store.ask, store.change

    def catch_up(self) -> CatchUp:
        return CatchUp()

    def version(self) -> int:
        return 0

    async def changed(self, version: int) -> int:
        await asyncio.Event().wait()
        return version


@asynccontextmanager
async def _index(where: str) -> AsyncIterator[_UnfilledIndex]:
    store = await asyncio.to_thread(open_store, where)
    try:
        yield _UnfilledIndex(store)
    finally:
        await store.close()
