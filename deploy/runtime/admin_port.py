"""The admin port of a process, with what its parts say of themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stripeline.deploy.runtime.process.admin_server import Health, serve_admin
from stripeline.deploy.runtime.shared import Shared


@asynccontextmanager
async def admin_port(shared: Shared) -> AsyncIterator[None]:
    """Serve it beside a block. Raises OSError for a port in use."""
    settings = shared.settings
    health = Health(
        checks=shared.checks, warnings=shared.warnings, broken=shared.broken, ages_s={"control": shared.table.age_s}
    )
    runner = await serve_admin(settings.admin_host, settings.admin_port, health, shared.registry)
    try:
        yield
    finally:
        await runner.cleanup()
