"""The parent of several ingest processes on one port, with the one admin port.

SO_REUSEPORT lets the kernel spread connections over the processes that listen. The parent tries the port first without
it: another program on it, or another group, would silently take a part of the deliveries.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.runtime.ingest_group.group_admin import GroupWatch, serve_group
from stripeline.deploy.runtime.ingest_group.member import Member
from stripeline.deploy.runtime.process.port_in_use import named_ports, require_free
from stripeline.deploy.runtime.process.service_manager import service_manager
from stripeline.deploy.runtime.process.shutdown import bounded_shutdown
from stripeline.deploy.runtime.process.side_by_side import together
from stripeline.deploy.settings.settings import Settings, service_environment

log = structlog.get_logger(__name__)
# Its processes have 28 s: theirs is the work that must end.
_CUT_SHORT_S, _LAST_S = 29.0, 29.5


async def run_ingest_group(settings: Settings, count: int, command: Sequence[str]) -> None:
    """Serve with `count` processes until SIGTERM or SIGINT. `command`: the options of each."""
    if settings.ingest_port == 0:
        raise FailureError("Several ingest processes need one port: set STRIPELINE_INGEST_PORT to a port, not to 0.")
    with named_ports(settings.ingest_host, settings.ingest_port, "INGEST"):
        require_free(settings.ingest_host, settings.ingest_port)
    async with bounded_shutdown(_CUT_SHORT_S, _LAST_S) as stop:
        members = [Member(number, command) for number in range(1, count + 1)]
        log.info(LogEvent.INGEST_GROUP_STARTS, processes=count, host=settings.ingest_host, port=settings.ingest_port)
        async with _admin(settings, members, stop):
            await together(stop, *(member.run(stop) for member in members))


@contextlib.asynccontextmanager
async def _admin(settings: Settings, members: Sequence[Member], stop: asyncio.Event) -> AsyncIterator[None]:
    async with GroupWatch(members) as watch:
        with named_ports(settings.admin_host, settings.admin_port, "ADMIN"):
            runner = await serve_group(settings.admin_host, settings.admin_port, watch, stop)
        try:
            async with service_manager(service_environment(), watch.broken, watch.missing):
                yield
        finally:
            await runner.cleanup()
