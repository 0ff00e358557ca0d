"""The peer as a process under measurement: Fastify and @platformatic/kafka, on the Node of the judges' tools.

Its packages are those of its package-lock.json, installed once into the environment's folder.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stripeline.deploy.local.kafka import free_port
from tests.bench.harness import Lab
from tests.bench.processes import Target, listening, program
from tests.bench.stripe_load import SECRET
from tests.support.tools import node, npm_project

SOURCE = Path(__file__).parent / "contenders" / "fastify"
TOPIC = "bench-peer"


@asynccontextmanager
async def peer(lab: Lab) -> AsyncIterator[Target]:
    """Raises AssertionError, with what to do, where Node is not installed."""
    folder = await asyncio.to_thread(npm_project, SOURCE)
    port, log = free_port(), lab.folder / "fastify.log"
    arguments = (str(port), lab.bootstrap_servers, TOPIC, SECRET)
    async with program(node(), folder / "server.mjs", *arguments, log=log) as child:
        await listening(port, child, log)
        yield Target(port=port, pid=child.pid)
