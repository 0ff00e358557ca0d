"""The parent of several processes of one role on a host, with the one admin port.

It does nothing per record. For ingest it has the port, and gives each connection to one of its processes; workers share
their partitions by Kafka's consumer group, each as a member of its own. At the end the processes end one after another,
so that Kafka moves the partitions of one at a time.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.runtime.process.port_in_use import named_ports
from stripeline.deploy.runtime.process.service_manager import service_manager
from stripeline.deploy.runtime.process.shutdown import bounded_shutdown, watch_blocked_loop
from stripeline.deploy.runtime.process.side_by_side import together
from stripeline.deploy.runtime.process_group.group_admin import GroupWatch, serve_group
from stripeline.deploy.runtime.process_group.member import Member
from stripeline.deploy.runtime.process_group.membership import GroupRole
from stripeline.deploy.runtime.process_group.shared_port import SharedPort
from stripeline.deploy.settings.settings import Settings, service_environment
from stripeline.deploy.telemetry.loop_lag import LoopLag
from stripeline.ingest.http.listening import bound
from stripeline.workers.kafka.watch.bounded_wait import wait_at_most

log = structlog.get_logger(__name__)
# Its processes have 24 s each: theirs is the work that must end.
_CUT_SHORT_S, _LAST_S = 29.0, 29.5
_TURNS_S: Final = 3.0
"""Between SIGTERM to the first process and to the last one."""


async def run_group(settings: Settings, role: GroupRole, count: int, options: Sequence[str]) -> None:
    """Run `count` processes of a role until SIGTERM or SIGINT. `options`: of each."""
    _require_work_for_all(settings, role, count)
    async with bounded_shutdown(_CUT_SHORT_S, _LAST_S) as stop:
        port = _port(settings) if role == "ingest" else None
        members = [Member(number, role, options, port) for number in range(1, count + 1)]
        log.info(LogEvent.PROCESS_GROUP_STARTS, role=role, processes=count)
        async with _admin(settings, role, members, stop):
            await together(stop, *(member.run(stop) for member in members), _ending(settings, stop, members, port))
    if port is not None:
        port.close()


def _require_work_for_all(settings: Settings, role: GroupRole, count: int) -> None:
    if role == "ingest" and settings.ingest_port == 0:
        raise FailureError("Several ingest processes need one port: set STRIPELINE_INGEST_PORT to a port, not to 0.")
    if role != "ingest" and count > settings.partitions:
        raise FailureError(
            f"{count} {role} processes can't share {settings.partitions} partitions: some would have none."
            f" Use --processes {settings.partitions}, or fewer where other hosts run the role too."
        )


def _port(settings: Settings) -> SharedPort:
    with named_ports(settings.ingest_host, settings.ingest_port, "INGEST"):
        return SharedPort(bound(settings.ingest_host, settings.ingest_port))


async def _ending(settings: Settings, stop: asyncio.Event, members: Sequence[Member], port: SharedPort | None) -> None:
    """Wait for the end, then end one process after another: the next when the former has, or has had its time."""
    if port is None:
        await stop.wait()
    else:
        with named_ports(settings.ingest_host, settings.ingest_port, "INGEST"):
            await port.serve(stop)
    for member in members:
        member.ends.set()
        await wait_at_most(member.gone, _TURNS_S / len(members))


@contextlib.asynccontextmanager
async def _admin(
    settings: Settings, role: GroupRole, members: Sequence[Member], stop: asyncio.Event
) -> AsyncIterator[None]:
    lag = LoopLag()
    async with GroupWatch(role, members) as watch:
        with named_ports(settings.admin_host, settings.admin_port, "ADMIN"):
            runner = await serve_group(settings.admin_host, settings.admin_port, watch, stop)
        try:
            with lag.measured(), watch_blocked_loop(lambda: lag.turned_s):
                async with service_manager(service_environment(), watch.broken, watch.missing):
                    yield
        finally:
            await runner.cleanup()
