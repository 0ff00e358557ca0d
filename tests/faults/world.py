"""Everything that a fault may lay hands on, and a watch: a process that ends by itself is noted, and restarted."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from stripeline.deploy.local.kafka import free_port
from tests.faults.accounts import CONFIG, FIRST_KEYS, Keys, secrets_of
from tests.support.broker_cluster import BrokerCluster, Layout, broker_cluster
from tests.support.cluster import Cluster, Process, cluster
from tests.support.proxy import Proxy

WATCH_S = 0.2
LASTING = ("ingest", "router-0", "router-1", "executor-0", "executor-1")
"""The processes that are there all the time. The first of each role has a name that outlives it."""


@dataclass
class World:
    found: Cluster
    brokers: BrokerCluster
    to_stripe: Proxy
    keys: Keys
    say: Callable[[str], None]
    began_s: float = field(default_factory=time.monotonic)
    ended_by_themselves: list[str] = field(default_factory=list)
    in_hand: set[str] = field(default_factory=set)  # processes that a fault is ending and starting itself

    def process(self, name: str) -> Process:
        return self.found.processes[name]

    def tell(self, text: str) -> None:
        self.say(f"{time.monotonic() - self.began_s:7.1f} s  {text}")

    @property
    def urls(self) -> list[str]:
        """Of the receivers' trigger."""
        path = self.found.url.rpartition(f":{self.found.ingest_port}")[2]
        receivers = [one for name, one in self.found.processes.items() if name.startswith("ingest")]
        return [f"http://127.0.0.1:{one.environment['STRIPELINE_INGEST_PORT']}{path}" for one in receivers]

    async def start_all(self, receivers: int = 1) -> None:
        for name in LASTING[1:]:
            role = name.partition("-")[0]
            lasting = {"STRIPELINE_INSTANCE_ID": name} if name.endswith("-0") else {}
            self.found.add(name, role, **lasting)
        for number in range(1, receivers):
            self.found.add(f"ingest-{number}", "ingest", STRIPELINE_INGEST_PORT=str(free_port()))
        await self.ready()

    async def ready(self) -> None:
        receivers = {name for name in self.found.processes if name.startswith("ingest")}
        await asyncio.gather(*(self.process(name).ready() for name in receivers.union(LASTING)))

    async def restart(self, process: Process, environment: Mapping[str, str] = MappingProxyType({})) -> int:
        """SIGTERM, and started again with this environment beside its own. The exit code."""
        self.in_hand.add(process.name)
        try:
            code = await process.end()
            process.environment = {**process.environment, **environment}
            process.start()
        finally:
            self.in_hand.discard(process.name)
        return code

    def guest(self) -> Process:
        """A worker that is there only for a while, started."""
        if "worker" not in self.found.processes:
            return self.found.add("worker", "worker")
        self.process("worker").start()
        return self.process("worker")

    async def watch(self) -> None:
        """As an orchestrator does: what has ended is started again. Here it is also a finding."""
        while True:
            for process in list(self.found.processes.values()):
                child = process.child
                if process.name not in self.in_hand and child is not None and child.poll() is not None:
                    self.ended_by_themselves.append(f"{process.name} with {child.returncode}")
                    self.tell(f"{process.name} ended by itself with {child.returncode}\n{process.tail(15)}")
                    process.start()
            await asyncio.sleep(WATCH_S)


@asynccontextmanager
async def opened(
    layout: Layout, folder: Path, say: Callable[[str], None], *, receivers: int = 1, **settings: str
) -> AsyncIterator[World]:
    """An empty Kafka and the product's processes, which meet Stripe behind a proxy."""
    async with AsyncExitStack() as stack:
        brokers = await stack.enter_async_context(broker_cluster(folder / "kafka", say, layout))
        to_stripe = await stack.enter_async_context(Proxy(free_port()))
        settings = {"stripe_api_base": to_stripe.url, **settings}
        found = await stack.enter_async_context(
            cluster(
                brokers.bootstrap_servers, "faults.", folder, config=CONFIG, secrets=secrets_of(FIRST_KEYS), **settings
            )
        )
        to_stripe.target = int(found.sandbox_url.rpartition(":")[2])
        world = World(found, brokers, to_stripe, Keys(found), say)
        await world.start_all(receivers)
        await world.keys.open()
        world.began_s = time.monotonic()
        yield world
