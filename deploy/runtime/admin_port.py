"""The admin port of a process, with what its parts say of themselves."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stripeline.deploy.runtime.process.admin_server import Health, admin_app, serve_app
from stripeline.deploy.runtime.process.port_in_use import named_ports
from stripeline.deploy.runtime.shared import Shared


@asynccontextmanager
async def admin_port(shared: Shared, listener: socket.socket | None = None) -> AsyncIterator[None]:
    """Serve it beside a block, at a socket that listens if there is one. Raises FailureError for a port in use."""
    settings = shared.settings
    health = Health(
        checks=shared.checks, warnings=shared.warnings, broken=shared.broken, ages_s={"control": shared.table.age_s}
    )
    where = listener or (settings.admin_host, settings.admin_port)
    with named_ports(settings.admin_host, settings.admin_port, "ADMIN"):
        runner = await serve_app(admin_app(health, shared.registry), where)
    try:
        yield
    finally:
        await runner.cleanup()
