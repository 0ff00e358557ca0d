"""The five kinds of process: their parts, the admin port beside them, and one end for all.

Every process checks the topics, waits for the control table, reports on the admin port, and ends within 30 s of
SIGTERM or Ctrl-C, broker or no broker. The console waits for nothing: its pages say what is wrong. Each `…_part` runs
in one process or, for the demo, beside the others.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, assert_never

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.operations.topics import NotYetError
from stripeline.deploy.runtime.admin_port import admin_port
from stripeline.deploy.runtime.process.admin_server import failing
from stripeline.deploy.runtime.process.loop_exceptions import handle_loop_exception
from stripeline.deploy.runtime.process.service_manager import service_manager
from stripeline.deploy.runtime.process.shutdown import CUT_SHORT_S, LAST_S, bounded_shutdown, watch_blocked_loop
from stripeline.deploy.runtime.process.side_by_side import together
from stripeline.deploy.runtime.process_group import membership
from stripeline.deploy.runtime.process_group.membership import GroupMembership, GroupRole, end_with_parent
from stripeline.deploy.runtime.reporting.process_report import reporter_of
from stripeline.deploy.runtime.reporting.reporter import reporting
from stripeline.deploy.runtime.shared import Shared, open_shared
from stripeline.deploy.runtime.worker_setup import known_format
from stripeline.deploy.settings.settings import Settings, service_environment
from stripeline.workers.kafka.watch.bounded_wait import wait_at_most

log = structlog.get_logger(__name__)
_NEXT_TRY_S = 2.0
Part = Callable[[Shared, asyncio.Event], Awaitable[None]]
Begin = Callable[[Shared, asyncio.Event], Awaitable[bool]]


async def run_role(role: GroupRole, settings: Settings, member: GroupMembership | None = None) -> None:
    """member: of a group of processes with one parent."""
    if member is not None:
        structlog.contextvars.bind_contextvars(process=member.number)
        end_with_parent()
        settings = member.own(settings)
    # Each role loads its own part alone: to import the others takes longer than the rest of its start.
    match role:
        case "ingest":
            from stripeline.deploy.runtime.ingest_process import ingest_part  # noqa: PLC0415

            handed = None if member is None else member.connections
            await _run(settings, [Purpose.INGEST], partial(ingest_part, handed=handed), member=member)
        case "router":
            from stripeline.deploy.runtime.router_process import router_part  # noqa: PLC0415

            await _run(settings, [Purpose.ROUTER], router_part, member=member)
        case "executor":
            from stripeline.deploy.runtime.executor_process import executor_part  # noqa: PLC0415

            await _run(settings, [Purpose.EXECUTOR], executor_part, member=member)
        case "worker":
            from stripeline.deploy.runtime.executor_process import executor_part  # noqa: PLC0415
            from stripeline.deploy.runtime.router_process import router_part  # noqa: PLC0415

            await _run(settings, [Purpose.WORKER], router_part, executor_part, member=member)
        case _:
            assert_never(role)


async def run_console(settings: Settings) -> None:
    """Its pages are served before the topics are right: they say what is wrong."""
    # The others do without SQLAlchemy and Jinja2: 16 MB, and half a second of their start.
    from stripeline.deploy.console.auth.sign_in_choice import check_sign_in, sign_in_of  # noqa: PLC0415
    from stripeline.deploy.runtime.console_process import console_part  # noqa: PLC0415

    check_sign_in(settings)
    part = partial(console_part, sign_in=partial(sign_in_of, settings))
    await _run(settings, [Purpose.CONSOLE], part, known_format, begin=_at_once)


def _calm_collector() -> None:
    """Collect cycles rarely: that took a fifth of an executor's CPU, and reference counts free nearly everything."""
    gc.collect()
    gc.freeze()  # what is there from the start stays, and need not be looked at again
    gc.set_threshold(50_000, 20, 20)


async def _run(
    settings: Settings, purposes: Sequence[Purpose], *parts: Part, member: GroupMembership | None = None,
    begin: Begin | None = None,
) -> None:  # fmt: skip
    """One process: its parts, until SIGTERM or SIGINT, with the admin port beside them."""
    _calm_collector()
    asyncio.get_running_loop().set_exception_handler(handle_loop_exception)
    session_timeout_ms = None if purposes == [Purpose.INGEST] else settings.session_timeout_ms
    listener = None if member is None else member.listener
    bounds = (CUT_SHORT_S, LAST_S) if member is None else (membership.CUT_SHORT_S, membership.LAST_S)
    async with (
        bounded_shutdown(*bounds) as stop, open_shared(settings, session_timeout_ms, purposes) as shared,
        AsyncExitStack() as stack,
    ):  # fmt: skip
        stack.enter_context(watch_blocked_loop(lambda: shared.lag.turned_s))
        shared.checks["process"] = lambda: "the process is ending" if stop.is_set() else None
        await stack.enter_async_context(admin_port(shared, listener))
        if member is None:  # of a group, the parent is the service
            await stack.enter_async_context(
                service_manager(service_environment(), lambda: failing(shared.broken), lambda: failing(shared.checks))
            )
        if await (begin or _topics_are_right)(shared, stop):
            async with _running(shared.topics.run()), reporting(reporter_of(shared, purposes[0].value)):
                await together(stop, *(part(shared, stop) for part in parts))


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Beside a block."""
    task = asyncio.create_task(work, name="topics watch")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def _at_once(_: Shared, stop: asyncio.Event) -> bool:
    return not stop.is_set()


async def _topics_are_right(shared: Shared, stop: asyncio.Event) -> bool:
    """Check the topics, waiting for a broker that does not answer yet. Raises TopicsError for wrong ones."""
    while not stop.is_set():
        try:
            await shared.topics.require()
        except NotYetError as error:
            shared.checks["topics"] = lambda words=str(error): words  # type: ignore[misc]
            log.warning(LogEvent.TOPIC_PROBLEM, problem=str(error), next_try_s=_NEXT_TRY_S)
            await wait_at_most(stop, _NEXT_TRY_S)
        except (KafkaError, OSError, TimeoutError) as error:
            reason = await shared.words.cause(error, _NEXT_TRY_S)
            shared.checks["topics"] = partial(str, reason)
            log.warning(LogEvent.KAFKA_UNREACHABLE, reason=reason, next_try_s=_NEXT_TRY_S)
            await wait_at_most(stop, _NEXT_TRY_S)
        else:
            shared.checks.pop("topics")
            return True
    return False
