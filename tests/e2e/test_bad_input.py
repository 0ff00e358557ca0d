"""The receiver as a real process against clients that mean harm, or are only very slow: it answers the others.

Never an undocumented 5xx, never a 2xx for what is not on the topic, nothing on the topic but what was acknowledged,
flat memory and a log that does not grow.
"""

import asyncio
import contextlib
import itertools
import random
import re
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripeline.contracts.deliveries.delivery_vocabulary import RefusalReason
from stripeline.deploy.local.example_events import example_event, sign
from tests.faults.samples import MIB, sampled
from tests.support.broker import Broker
from tests.support.cluster import SECRET, Cluster, cluster
from tests.support.end_state import read_topic
from tests.support.spoiled_requests import WAYS, SpoiledRequest, delivery, spoil

EXAMPLES, STALLED = 150, 500
SILENCE_S = 0.05
DEADLINE_S = 10.0  # of a head, and of a body: ingest/http/server.py, ingest/webhook.py
CAP = 900 * 1024
LEFT = 100
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
NUMBERS = itertools.count()


@dataclass
class Client:
    """Speaks to the receiver over bare sockets, and remembers what it was told."""

    port: int
    acknowledged: set[str] = field(default_factory=set)
    not_waited_for: set[str] = field(default_factory=set)
    statuses: dict[int, int] = field(default_factory=dict)

    def say(
        self, event: str, pieces: list[bytes], pause_s: float, *, half_closes: bool, first_answer_s: float = SILENCE_S
    ) -> list[int]:
        """One connection: the pieces with pauses between, then what is answered until nothing more comes."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as there:
            with contextlib.suppress(OSError):  # it may close before it has heard everything
                for piece in pieces:
                    there.sendall(piece)
                    time.sleep(pause_s)
                if half_closes:
                    there.shutdown(socket.SHUT_WR)
            there.settimeout(first_answer_s)
            with contextlib.suppress(TimeoutError, ConnectionError):
                while data := there.recv(65_536):
                    answer += data
                    there.settimeout(SILENCE_S)
        assert SECRET.encode() not in answer
        found = [int(status) for status in STATUS.findall(answer)]
        for status in found:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        noted = self.acknowledged if 200 in found else self.not_waited_for if not found else set()
        noted.add(event)
        return found


@asynccontextmanager
async def receiver(broker: Broker, prefix: str, folder: Path) -> AsyncIterator[Cluster]:
    async with cluster(broker.bootstrap_servers, prefix, folder) as found:
        await found.ready()
        yield found


async def published(found: Cluster) -> list[bytes]:
    topics, bootstrap = found.settings.topics, found.settings.kafka_bootstrap_servers
    records = [await read_topic(bootstrap, topic, found.settings.partitions) for topic in topics.events]
    return [record.value for record in itertools.chain(*records)]


def event_ids(values: list[bytes]) -> set[str]:
    return {orjson.loads(value)["id"] for value in values}


def rss_mib(found: Cluster) -> float:
    child = found.processes["ingest"].child
    assert child is not None
    assert child.poll() is None
    sample = sampled(child.pid)
    return 0.0 if sample is None else sample[0] / MIB


def pieces_of(wire: bytes, cuts: list[float]) -> list[bytes]:
    edges = [0, *sorted(int(cut * len(wire)) for cut in cuts), len(wire)]
    return [wire[a:b] for a, b in itertools.pairwise(edges) if b > a]


@given(
    ways=st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.floats(0, 1), max_size=3),
    pause_s=st.sampled_from((0.0, 0.0, 0.001, 0.01)),
    half_closes=st.booleans(),
    noise=st.binary(max_size=200),
)
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
def every_answer_is_a_documented_one(
    client: Client, ways: list[str], seed: int, cuts: list[float], pause_s: float, half_closes: bool, noise: bytes
) -> None:
    event = f"evt_{next(NUMBERS):06}"
    made = spoil(delivery(event, SECRET), ways, random.Random(seed))
    made.after += noise
    answers = client.say(event, pieces_of(made.wire, cuts), pause_s, half_closes=half_closes)
    assert all(status < 500 for status in answers), answers
    good = f"evt_{next(NUMBERS):06}"
    began = time.monotonic()
    assert client.say(good, [delivery(good, SECRET).wire], 0, half_closes=False, first_answer_s=1)[0] == 200
    assert time.monotonic() - began < 1


async def test_spoiled_requests_do_no_harm(broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]):
    async with receiver(broker, prefix, tmp_path) as found:
        client = Client(found.ingest_port)
        await asyncio.to_thread(warm, client)
        before, log_before = rss_mib(found), found.processes["ingest"].log.stat().st_size
        await asyncio.to_thread(every_answer_is_a_documented_one, client)
        grown, log_grown = rss_mib(found) - before, found.processes["ingest"].log.stat().st_size - log_before
        there = event_ids(await published(found))
        note(f"{EXAMPLES} spoiled requests: {client.statuses}, RSS {grown:+.1f} MiB, log {log_grown} bytes")
        assert client.acknowledged <= there <= client.acknowledged | client.not_waited_for
        assert grown < 16
        assert log_grown < 20_000


def warm(client: Client) -> None:
    """Memory that is needed once: of every kind of request one."""
    for way in WAYS:
        event = f"evt_warm_{way}"
        client.say(event, [spoil(delivery(event, SECRET), [way], random.Random(way)).wire], 0, half_closes=False)


def enough_descriptors() -> None:
    """For this process, and for those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4_096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))


async def test_a_thousand_stalled_clients_delay_nobody_and_are_closed(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    enough_descriptors()
    async with receiver(broker, prefix, tmp_path) as found, aiohttp.ClientSession() as session:
        await deliver(session, found, "evt_first")
        before, turns = rss_mib(found), asyncio.Semaphore(50)  # or the kernel's queue of new connections overflows
        stalled = [asyncio.create_task(stall(found.ingest_port, number, turns)) for number in range(2 * STALLED)]
        took = []
        while not all(task.done() for task in stalled):
            took.append(await deliver(session, found, f"evt_{len(took)}"))
            await asyncio.sleep(0.02)
        ends = [task.result() for task in stalled]
        waited_s, grown = max(ends)[0], rss_mib(found) - before
        p99_s = sorted(took)[len(took) * 99 // 100]
        note(
            f"{len(ends)} stalled clients, closed after at most {waited_s:.1f} s, meanwhile {len(took)} deliveries, "
            f"p99 {p99_s * 1000:.0f} ms, RSS {grown:+.1f} MiB"
        )
        assert p99_s < 1
        assert [number for number, (_, answer) in enumerate(ends) if answer == b"never closed"] == []
        assert waited_s < DEADLINE_S + 5
        assert {answer[:12] for _, answer in ends} == {b"", b"HTTP/1.1 408"}
        assert grown < 64  # a stalled connection costs some 20 KiB while it lasts
        there = event_ids(await published(found))
        assert there == {"evt_first", *(f"evt_{number}" for number in range(len(took)))}


async def stall(port: int, number: int, turns: asyncio.Semaphore) -> tuple[float, bytes]:
    """Half of them in the head, half in the body. When the receiver closed, and what it answered."""
    wire = delivery(f"evt_stalled_{number}", SECRET).wire
    async with turns:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    try:
        writer.write(wire[: len(wire) // 2] if number % 2 else wire[:100])
        async with asyncio.timeout(DEADLINE_S * 4):
            answer = await reader.read()
        return time.monotonic() - began, answer
    except TimeoutError:
        return DEADLINE_S * 4, b"never closed"
    finally:
        writer.transport.abort()


async def deliver(session: aiohttp.ClientSession, found: Cluster, event: str, body: bytes | None = None) -> float:
    """A valid delivery that is answered 200: the seconds that it took."""
    sent = example_event("payment_intent.succeeded", event_id=event) if body is None else body
    began = time.monotonic()
    async with session.post(found.url, data=sent, headers=signed(sent)) as answer:
        assert answer.status == 200, await answer.text()
    return time.monotonic() - began


def signed(body: bytes) -> dict[str, str]:
    return {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}


def of_size(size: int, event: str) -> bytes:
    short = example_event("payment_intent.succeeded", {"pad": ""}, event_id=event)
    body = example_event("payment_intent.succeeded", {"pad": "x" * (size - len(short))}, event_id=event)
    return body + b" " * (size - len(body))


async def endless(chunk: bytes = b"x" * 65_536, total: int = 100_000_000) -> AsyncIterator[bytes]:
    for _ in range(total // len(chunk)):
        yield chunk


async def test_bombs_cost_nothing_and_the_largest_body_is_published(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    async with receiver(broker, prefix, tmp_path) as found, aiohttp.ClientSession() as session:
        await deliver(session, found, "evt_cap", of_size(CAP, "evt_cap"))
        before = rss_mib(found)
        above = of_size(CAP + 1, "evt_above")
        async with session.post(found.url, data=above, headers=signed(above)) as answer:
            assert answer.status == 413
        for _ in range(5):
            assert await asyncio.gather(*(chunked(session, found) for _ in range(4))) == [413] * 4
        wires = list(declared_too_large_and_zipped())
        answers = [await exchange(found.ingest_port, wire) for wire in wires]
        assert [answer[9:12] for answer in answers] == [b"413"] * 20 + [b"415"] * 20
        grown = rss_mib(found) - before
        note(f"bombs: RSS {grown:+.1f} MiB")
        assert grown < 32
        await deliver(session, found, "evt_after")
        assert event_ids(await published(found)) == {"evt_cap", "evt_after"}


async def chunked(session: aiohttp.ClientSession, found: Cluster) -> int:
    """100 MB in chunks, of no declared length: cut off at the cap."""
    try:
        async with session.post(found.url, data=endless(), headers=signed(b"")) as answer:
            return answer.status
    except aiohttp.ClientOSError:  # it has closed while we were still sending, and its answer was lost to the reset
        return 413


def declared_too_large_and_zipped() -> Iterator[bytes]:
    for _ in range(20):
        made = delivery("evt_declared", SECRET)
        made.replace(b"Content-Length", b"100000000")
        yield made.wire
    for _ in range(20):
        yield spoil(delivery("evt_zipped", SECRET), ["bomb"], random.Random(1)).wire


async def exchange(port: int, wire: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(wire)
        return await asyncio.wait_for(reader.read(100), 5)
    finally:
        writer.transport.abort()


async def test_clients_that_leave_publish_nothing_by_halves(broker: Broker, prefix: str, tmp_path: Path):
    async with receiver(broker, prefix, tmp_path) as found, aiohttp.ClientSession() as session:
        await deliver(session, found, "evt_first")
        log_before = len(found.processes["ingest"].log.read_text().splitlines())
        for number in range(LEFT):
            await leave(found.ingest_port, delivery(f"evt_mid_{number}", SECRET), whole=False)
            await leave(found.ingest_port, delivery(f"evt_whole_{number}", SECRET), whole=True)
        await deliver(session, found, "evt_last")
        there = event_ids(await published(found))
        assert {"evt_first", "evt_last"} <= there
        assert there <= {"evt_first", "evt_last", *(f"evt_whole_{number}" for number in range(LEFT))}
        lines = found.processes["ingest"].log.read_text().splitlines()[log_before:]
        assert {orjson.loads(line)["reason"] for line in lines} == {RefusalReason.CUT_OFF}
        assert len(lines) < LEFT / 10  # one in 10 s


async def leave(port: int, made: SpoiledRequest, *, whole: bool) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(made.wire if whole else made.wire[:-20])
    await writer.drain()
    writer.transport.abort() if made.body[-1] % 2 else writer.close()
