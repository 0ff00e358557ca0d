"""The load generator, a process of its own and the same for every contender: keep-alive connections, signed requests.

Closed loop: each connection sends its next request when it has its answer. For throughput and CPU per record.
Open loop (`--rate`): requests are due at fixed times whatever the server does, and a latency is counted from the time
at which its request was due, so that a stall is not hidden by the requests that it held back.
Plain sockets and `select`: cheaper than an event loop, and its time-outs are finer than a millisecond.
"""

import argparse
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import orjson

from tests.bench.harness import percentile
from tests.bench.processes import cpu_s
from tests.bench.stripe_load import requests

DISTINCT = 20_000
_IDLE_S = 0.05


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due_at = 0.0
        self._got = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def send(self, request: bytes, due_at: float) -> None:
        self.due_at = due_at
        self.socket.sendall(request)

    def status(self) -> int | None:
        """The answer's status once all of it is there; None before. Raises ConnectionError."""
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError("the server closed the connection")
        self._got += got
        if not is_whole(self._got):
            return None
        status, self._got = int(self._got[9:12]), b""
        return status


def is_whole(answer: bytes) -> bool:
    """Whether the bytes are one whole answer."""
    head, end, body = answer.partition(b"\r\n\r\n")
    _, named, length = head.lower().partition(b"content-length:")
    return bool(end) and (not named or len(body) >= int(length.partition(b"\r\n")[0]))


@dataclass
class Counts:
    answered: int = 0
    failed: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def add(self, status: int, latency_s: float) -> None:
        self.answered += 1
        self.failed += status != 200
        self.latencies_s.append(latency_s)


def run(
    connections: Sequence[Connection], supply: Iterator[bytes], rate: float | None, until: float, *, due_at: float
) -> tuple[Counts, float]:
    """Load the server until that moment. Gives the counts, and when the next request is due."""
    counts, idle = Counts(), list(connections)
    gap_s = 1 / rate if rate else 0.0
    while (now := time.perf_counter()) < until or len(idle) < len(connections):
        while idle and now < until and (rate is None or due_at <= now):
            idle.pop(0).send(next(supply), now if rate is None else due_at)
            due_at += gap_s
        patience_s = min(_IDLE_S, max(0.0, due_at - now)) if rate and idle and now < until else _IDLE_S
        ready, _, _ = select.select(connections, [], [], patience_s)
        for connection in ready:
            status = connection.status()
            if status is not None:
                counts.add(status, time.perf_counter() - connection.due_at)
                idle.append(connection)
    return counts, due_at


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--pid", type=int, required=True, help="the process whose CPU is counted")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warm-up-s", type=float, default=1.5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, help="requests a second, open loop; none: closed loop")
    options = parser.parse_args()
    supply = cycle(list(requests(options.path, DISTINCT)))
    connections = [Connection(options.port) for _ in range(options.connections)]
    start = time.perf_counter()
    run(connections, supply, options.rate, start + options.warm_up_s, due_at=start)
    before_s, start = cpu_s(options.pid), time.perf_counter()
    counts, _ = run(connections, supply, options.rate, start + options.seconds, due_at=start)
    used_s, took_s = cpu_s(options.pid) - before_s, time.perf_counter() - start
    print(orjson.dumps(summary(counts, used_s, took_s)).decode())


def summary(counts: Counts, used_s: float, took_s: float) -> dict[str, float]:
    ordered = sorted(counts.latencies_s)
    return {
        "answered": counts.answered,
        "failed": counts.failed,
        "per_s": counts.answered / took_s,
        "cpu_us": used_s / max(1, counts.answered) * 1e6,
        "cpu_share": used_s / took_s,
        "p50_ms": percentile(ordered, 0.5) * 1e3,
        "p99_ms": percentile(ordered, 0.99) * 1e3,
    }


if __name__ == "__main__":
    main()
