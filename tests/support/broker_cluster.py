"""A Kafka of several brokers, each a Java process of its own: to be killed, frozen, filled up or cut off one by one.

The controller is a process of its own, or, `combined`, every broker is a controller as well. A link is a proxy between
two brokers, one for each direction, so that the network between two of them can fail and no other.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.local.kafka_config import HOST
from stripeline.deploy.local.kafka_warm_up import warm_up
from tests.support.broker import Note, admin
from tests.support.proxy import Proxy

CONTROLLER = 9
BROKER_HEAP_MB, CONTROLLER_HEAP_MB = 256, 128
SESSION_S = 9.0
"""Kafka's default: a broker that was killed is replaced as leader when its session has ended."""
GROUP, TRANSACTION = 0, 1
"""What a coordinator coordinates: https://kafka.apache.org/43/design/protocol/, FindCoordinator."""
IN_SYNC_S = 90.0
ASKED_S = 5.0
_NO_ANSWER = (KafkaError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many brokers, how many copies, and what stands between them and others."""

    brokers: int = 3
    replication: int = 3
    min_isr: int = 2
    combined: bool = False
    proxied: bool = False  # clients meet each broker behind a proxy of its own
    linked: bool = False  # brokers meet each other behind links
    session_s: float = SESSION_S
    settings: Mapping[str, str] = field(default_factory=dict)
    data_dirs: Mapping[int, Path] = field(default_factory=dict)  # of brokers whose disk is not the test's folder

    @property
    def nodes(self) -> range:
        return range(1, self.brokers + 1)


ONE = Layout(brokers=1, replication=1, min_isr=1, proxied=True, session_s=2.0)


@dataclass
class BrokerCluster:
    """Brokers by their node ids, 1 and up."""

    layout: Layout
    brokers: Mapping[int, LocalKafka]
    controller: LocalKafka | None
    proxies: Mapping[int, Proxy]
    links: Mapping[tuple[int, int], Proxy]  # by who connects, and to whom
    note: Note

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(self.address(node) for node in self.brokers)

    def address(self, node: int) -> str:
        return self.proxies[node].address if self.proxies else self.brokers[node].bootstrap_servers

    @property
    def nodes(self) -> list[LocalKafka]:
        return [*self.brokers.values(), *([self.controller] if self.controller else [])]

    @property
    def logs(self) -> list[Path]:
        return [node.log_file for node in self.nodes]

    def kill(self, node: int) -> None:
        self.brokers[node].kill()

    async def stop(self, node: int) -> None:
        """SIGTERM: the broker hands its partitions over before it ends."""
        await self.brokers[node].stop()

    async def start(self, node: int) -> None:
        await self.brokers[node].start(self.note)

    def freeze(self, node: int) -> None:
        os.kill(self.brokers[node].pid, signal.SIGSTOP)

    def thaw(self, node: int) -> None:
        os.kill(self.brokers[node].pid, signal.SIGCONT)

    def cut(self, one: int, other: int) -> None:
        """Lose everything between two brokers, both ways: connections stay open, and nothing arrives."""
        for link in self._between(one, other):
            link.silent()

    async def mend(self, one: int, other: int) -> None:
        for link in self._between(one, other):
            await link.works()

    def _between(self, one: int, other: int) -> Iterable[Proxy]:
        return self.links[one, other], self.links[other, one]

    async def in_sync(self, within_s: float = IN_SYNC_S) -> None:
        """Wait until every partition has a leader and all its replicas in sync."""
        lagging: Any = "no answer"
        try:
            async with asyncio.timeout(within_s):
                while lagging:
                    lagging = await self._lagging()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"partitions out of sync after {within_s} s: {lagging}") from None

    async def _lagging(self) -> list[str] | str:
        try:
            described = await self._ask_once(AIOKafkaAdminClient.describe_topics)
        except _NO_ANSWER as error:
            return repr(error)
        return [
            f"{topic['topic']}-{partition['partition']}"
            for topic in described
            for partition in topic["partitions"]
            if partition["leader"] < 0 or set(partition["isr"]) != set(partition["replicas"])
        ]

    async def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition, -1 if there is none."""
        found, *_ = await self.ask(lambda client: client.describe_topics([topic]))
        return next((one["leader"] for one in found["partitions"] if one["partition"] == partition), -1)

    async def coordinator(self, name: str, kind: int) -> int:
        """The node that coordinates a group, or the transactions of a transactional id."""
        node = await self.ask(lambda client: client.find_coordinator(name, coordinator_type=kind))
        return int(node)

    async def ask(self, question: Callable[[AIOKafkaAdminClient], Awaitable[Any]]) -> Any:
        """Ask until a broker answers: any is asked, also one that is away and of which the others do not know yet."""
        async with asyncio.timeout(IN_SYNC_S):
            while True:
                with contextlib.suppress(*_NO_ANSWER):
                    return await self._ask_once(question)
                await asyncio.sleep(0.1)

    async def _ask_once(self, question: Callable[[AIOKafkaAdminClient], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(ASKED_S), admin(self.bootstrap_servers) as client:
            return await question(client)

    def active_controller(self) -> int:
        """The node that leads the metadata, as the controllers themselves have written it down."""
        states = [orjson.loads(file.read_bytes()) for file in self._quorum_states() if file.exists()]
        newest = max(states, key=lambda state: (state["leaderEpoch"], state["leaderId"]))
        return int(newest["leaderId"])

    def _quorum_states(self) -> Iterable[Path]:
        for node in self.nodes:
            yield node.spec.data_dir / "topics" / "__cluster_metadata-0" / "quorum-state"


@asynccontextmanager
async def broker_cluster(folder: Path, note: Note, layout: Layout | None = None) -> AsyncIterator[BrokerCluster]:
    """All nodes started, side by side, and every broker known to the controller."""
    layout = layout or Layout()
    await warm_up(progress=note)
    async with AsyncExitStack() as stack:
        found = await _prepared(folder, note, layout, stack)
        for node in found.nodes:
            stack.callback(node.kill)
        await asyncio.gather(*(node.start(note) for node in found.nodes))
        yield found


@asynccontextmanager
async def proxied_kafka(folder: Path, note: Note) -> AsyncIterator[tuple[LocalKafka, Proxy]]:
    """A broker that all clients meet behind a proxy: a cable that can be pulled out.

    Its controller is a process of its own: a node that is both breaks Kafka's promises when it is killed and comes
    back (docs/faults.md).
    """
    async with broker_cluster(folder, note, ONE) as found:
        yield found.brokers[1], found.proxies[1]


async def _prepared(folder: Path, note: Note, layout: Layout, stack: AsyncExitStack) -> BrokerCluster:
    quorum = {node: free_port() for node in (layout.nodes if layout.combined else [CONTROLLER])}
    proxies = {node: await _proxy(stack) for node in (layout.nodes if layout.proxied else ())}
    inside = {node: free_port() for node in layout.nodes}
    links = {
        (one, other): await _link(stack, one, other, inside[other])
        for one in (layout.nodes if layout.linked else ())
        for other in layout.nodes
        if one != other
    }
    brokers = {node: _broker(folder, layout, node, quorum, proxies, inside) for node in layout.nodes}
    controller = None if layout.combined else _controller(folder, layout, quorum)
    return BrokerCluster(layout, brokers, controller, proxies, links, note)


async def _proxy(stack: AsyncExitStack) -> Proxy:
    proxy = await stack.enter_async_context(Proxy(free_port()))
    proxy.target = free_port()
    return proxy


async def _link(stack: AsyncExitStack, one: int, other: int, port: int) -> Proxy:
    return await stack.enter_async_context(Proxy(port, target=port, host=_linked_host(one, other)))


def _linked_host(one: int, other: int) -> str:
    """Where `one` meets `other`: a loopback address for each pair. A broker finds it by the name that its peer has."""
    return f"127.0.{one}.{other + 1}"


def _controller(folder: Path, layout: Layout, quorum: Mapping[int, int]) -> LocalKafka:
    return LocalKafka(KafkaSpec(
        port=quorum[CONTROLLER], data_dir=folder / "controller", roles="controller", node_id=CONTROLLER, quorum=quorum,
        heap_mb=CONTROLLER_HEAP_MB, settings=_settings(layout),
    ))  # fmt: skip


def _broker(
    folder: Path, layout: Layout, node: int, quorum: Mapping[int, int], proxies: Mapping[int, Proxy],
    inside: Mapping[int, int],
) -> LocalKafka:  # fmt: skip
    port = proxies[node].target if proxies else free_port()
    spec = KafkaSpec(
        port=port, advertised_port=proxies[node].port if proxies else port, node_id=node, quorum=quorum,
        data_dir=layout.data_dirs.get(node, folder / f"broker-{node}"), roles="both" if layout.combined else "broker",
        heap_mb=BROKER_HEAP_MB, start_timeout_s=120.0, settings=_settings(layout),
    )  # fmt: skip
    if not layout.linked:
        return LocalKafka(spec)
    return _linked(folder, layout, spec, inside[node])


def _linked(folder: Path, layout: Layout, spec: KafkaSpec, inside: int) -> LocalKafka:
    """A broker that meets the others by names, which lead each broker to links of its own."""
    node = spec.node_id
    hosts = folder / f"hosts-{node}"
    peers = (f"{_linked_host(node, other)} broker-{other}" for other in layout.nodes if other != node)
    hosts.parent.mkdir(parents=True, exist_ok=True)
    hosts.write_text("\n".join([f"{HOST} broker-{node} localhost", *peers, ""]))
    controls = [f"CONTROLLER://{HOST}:{spec.quorum[node]}"] if layout.combined else []
    settings = {
        **spec.settings,
        "listeners": ",".join([f"PLAINTEXT://{HOST}:{spec.port}", f"INSIDE://{HOST}:{inside}", *controls]),
        "advertised.listeners": f"PLAINTEXT://{HOST}:{spec.advertised_port},INSIDE://broker-{node}:{inside}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
    }
    # https://docs.oracle.com/en/java/javase/25/docs/api/java.base/java/net/doc-files/net-properties.html
    return LocalKafka(replace(spec, settings=settings), java_options=(f"-Djdk.net.hosts.file={hosts}",))


def _settings(layout: Layout) -> Mapping[str, str]:
    copies, needed = str(layout.replication), str(layout.min_isr)
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": needed,
        **{
            f"{state}.{name}": value
            for state in ("transaction.state.log", "share.coordinator.state.topic")
            for name, value in (("replication.factor", copies), ("min.isr", needed))
        },
        "offsets.topic.replication.factor": copies,
        "broker.session.timeout.ms": str(round(layout.session_s * 1_000)),
        "broker.heartbeat.interval.ms": str(round(layout.session_s * 1_000 / 4.5)),
        **layout.settings,
    }
