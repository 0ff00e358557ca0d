"""Decides how the local Kafka is configured: its properties, its ports.

Pure but for asking the machine whether a port is free. It must never start or write anything.
"""

import base64
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, assert_never

HOST: Final = "127.0.0.1"

# The settings of a Kafka of one node, on this machine or in a container.
# https://kafka.apache.org/43/configuration/broker-configs/
BROKER_SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    # A misspelt topic is an error here, as it is in production.
    "auto.create.topics.enable": "false",
    # One broker cannot hold the default three replicas.
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The default 50 partitions of each are created, and loaded, before the first group or transaction is served.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    # The default of 3 s is waited by every first member of a group.
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the node refuses its own new incarnation until the old one's session has ended, by default 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # The default of 128 MiB is allocated at the start and is a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}

# Below every system's ephemeral range: a client that reconnects to a closed port of that range on the loopback
# can be given the very same port as its own, is then connected to itself, and the broker cannot bind it again.
_PORTS: Final = range(20_000, 32_000)
_ATTEMPTS: Final = 200
_picked: set[int] = set()


Roles = Literal["both", "controller", "broker"]
"""What a node is. A broker whose controller is a process of its own can be killed without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSpec:
    port: int
    data_dir: Path
    roles: Roles = "both"
    node_id: int = 1
    quorum: Mapping[int, int] = field(default_factory=dict)  # each controller's port; none: this node is the only one
    advertised_port: int | None = None  # the port that clients connect to, when a proxy is in front of `port`
    heap_mb: int = 512
    cache_dir: Path | None = None  # None: ~/.cache/stripeline/kafka
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0
    settings: Mapping[str, str] = field(default_factory=dict)  # over those that all our brokers have


def render_properties(spec: KafkaSpec, quorum: Mapping[int, int]) -> str:
    """Render `server.properties`; the topics' data lives in `data_dir/topics`."""
    controls = f"CONTROLLER://{HOST}:{quorum.get(spec.node_id)}"
    serves = f"PLAINTEXT://{HOST}:{spec.port}"
    advertised = {"advertised.listeners": f"PLAINTEXT://{HOST}:{spec.advertised_port or spec.port}"}
    by_roles: Mapping[Roles, Mapping[str, str]] = {
        "both": {"listeners": f"{serves},{controls}", **advertised},
        "controller": {"process.roles": "controller", "listeners": controls},
        "broker": {"process.roles": "broker", "listeners": serves, **advertised},
    }
    settings = {
        **BROKER_SETTINGS,
        "node.id": str(spec.node_id),
        **by_roles[spec.roles],
        # Not `controller.quorum.voters`: formatting writes the voters into the metadata log.
        # https://kafka.apache.org/43/operations/kraft/
        "controller.quorum.bootstrap.servers": ",".join(f"{HOST}:{port}" for port in quorum.values()),
        "log.dirs": _escaped(spec.data_dir / "topics"),
        **spec.settings,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def format_arguments(spec: KafkaSpec) -> list[str]:
    """How `kafka-storage format` learns the quorum's voters."""
    match spec.roles:
        case "broker":
            return ["--no-initial-controllers"]
        case "both" | "controller" if spec.quorum:
            voters = (f"{node}@{HOST}:{port}:{_directory_id(node)}" for node, port in spec.quorum.items())
            return ["--initial-controllers", ",".join(voters)]
        case "both" | "controller":
            return ["--standalone"]
        case _:
            assert_never(spec.roles)


def kafka_uuid(text: str) -> str:
    """16 bytes, as Kafka writes them."""
    return base64.urlsafe_b64encode(f"{text:16.16}".encode()).rstrip(b"=").decode()


def _directory_id(node_id: int) -> str:
    # Known before any node is formatted, since each voter must name all of them.
    return kafka_uuid(f"directory-{node_id:06}")


def _escaped(path: Path) -> str:
    # In Java's properties format a backslash escapes, and `log.dirs` is a list parted by commas.
    if "," in str(path):
        raise ValueError(f"Kafka cannot keep its data in {path}: a comma parts directories there. Choose another.")
    return str(path).replace("\\", "\\\\")


def free_port() -> int:
    """Pick a TCP port of the loopback that nothing listens on now, another one at each call; it is not reserved."""
    for port in random.SystemRandom().sample(_PORTS, _ATTEMPTS):
        if port not in _picked and is_free(port):
            _picked.add(port)
            return port
    raise OSError(f"no free port on {HOST} among {_ATTEMPTS} tried in {_PORTS.start}-{_PORTS.stop - 1}")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the broker itself does: connections of its last run that linger in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
