"""A day passes between a POST and its commit: Stripe has forgotten the key, so nothing is sent again.

Nor does the host's clock change that, however wrong it is while a worker starts: the broker's time is known first.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts import headers as h
from stripeline.contracts.retry_tiers import HORIZON_MS, parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.topics import apply as apply_topics
from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.key_owner import KeyOwner
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.setup import Setup
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.group_member import Membership, Worker
from stripeline.workers.roles import ExecutorRole, Send
from stripeline.workers.stripe.api import StripeApi
from tests.support.broker import Broker
from tests.support.end_state import read_topic
from tests.support.records import OWNER, any_owner, installation

PARTITIONS, WITHIN_S = 2, 20
LATER_MS = 25 * 3_600_000
HOUR_S = 3_600.0
RETRY = {"Stripe-Should-Retry": "true"}


class LaterClock(BrokerClock):
    """The broker's clock, 25 hours on."""

    def now_ms(self) -> int:
        return super().now_ms() + LATER_MS


class JumpingClock(BrokerClock):
    """The broker's clock, as many hours on as a test says."""

    later_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.later_ms


@dataclass
class Pause:
    """Holds every call while it lasts."""

    lasts: bool = False

    def owner(self, _: str) -> KeyOwner:
        return replace(OWNER, held="a pause" if self.lasts else None)


@dataclass
class AbandonedAfterTheCall:
    """Carries a call out, and never comes back from it: the worker is abandoned between POST and commit."""

    inner: Send
    made: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, call: Call) -> Any:
        await self.inner(call)
        self.made.set()
        await asyncio.Event().wait()


@dataclass(frozen=True, kw_only=True)
class Place:
    bootstrap: str
    topics: Topics
    stripe: str

    @asynccontextmanager
    async def worker(
        self, clock: BrokerClock, wrap: Callable[[Send], Send], owner: Callable[[str], KeyOwner | None] = any_owner
    ) -> AsyncIterator[None]:
        executor = Executor(
            setup=Setup(
                topics=self.topics,
                installation=installation,
                actions=actions(),
                owner=owner,
                reconcile_after_ms=100,
            )
        )
        async with StripeApi(self.stripe, lambda _: SecretStr("sk_test_late"), deadline_s=5) as api:
            role = ExecutorRole(self.topics, executor, wrap(api.send), 8)
            membership = Membership(client={"bootstrap_servers": self.bootstrap}, drain_s=0.1)
            stop = asyncio.Event()
            running = asyncio.create_task(Worker(role, membership, clock).run(stop))
            try:
                yield
            finally:
                stop.set()
                async with asyncio.timeout(WITHIN_S):
                    await running

    async def order(self, command_id: str, *, age_ms: int = 0) -> None:
        """`age_ms`: since it was first appended, as a replay says it."""
        value = {"command_id": command_id, "action": "stripe/create-customer", "connection": "acme", "input": {}}
        first_ms = int(time.time() * 1000) - age_ms
        headers = [(h.FIRST_APPENDED_AT, str(first_ms).encode())] if age_ms else []
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            await producer.send_and_wait(self.topics.command, orjson.dumps(value), key=b"k", headers=headers)

    async def results(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(WITHIN_S):
            while len(found := await read_topic(self.bootstrap, self.topics.result, PARTITIONS)) < count:  # noqa: ASYNC110  (Kafka sets no event)
                await asyncio.sleep(0.05)
        return [orjson.loads(record.value) for record in found]


@pytest.mark.parametrize("search_delay_ms", [0, 30 * 24 * 3_600_000], ids=["found", "not to be found"])
async def test_a_post_without_an_answer_is_not_repeated_past_horizon(broker: Broker, prefix: str, search_delay_ms: int):
    topics = Topics(prefix=prefix, tiers=parse_tiers("100ms,300ms"))
    await apply_topics(topics, PARTITIONS, {"bootstrap_servers": broker.bootstrap_servers})
    async with SandboxServer() as server:
        sandbox = server.sandbox
        sandbox.endpoints.search_delay_ms = search_delay_ms
        place = Place(bootstrap=broker.bootstrap_servers, topics=topics, stripe=server.url)
        await place.order("lost")
        seen: list[AbandonedAfterTheCall] = []
        async with place.worker(BrokerClock(), lambda inner: _kept(seen, AbandonedAfterTheCall(inner))):
            async with asyncio.timeout(WITHIN_S):
                await seen[0].made.wait()
        assert not await read_topic(broker.bootstrap_servers, topics.result, PARTITIONS)
        assert [effect.command for effect in sandbox.endpoints.ledger.effects] == ["lost"]

        sandbox.clock_offset_ms = LATER_MS
        async with place.worker(LaterClock(), lambda inner: inner):
            (result,) = await place.results(1)
        requests = [row["method"] for row in sandbox.endpoints.ledger.recent(100)]
        letters = await read_topic(broker.bootstrap_servers, topics.dead_letter, PARTITIONS)
        assert requests.count("POST") == 1
        assert len(sandbox.endpoints.ledger.effects) == 1
        assert result["finished_at"] - result["started_at"] > HORIZON_MS
        if search_delay_ms == 0:
            assert (result["status"], result["output"]["id"]) == ("succeeded", sandbox.endpoints.ledger.effects[0].id)
            assert not letters
        else:
            assert (result["status"], result["error"]["code"]) == ("indeterminate", "INDETERMINATE")
            assert [dict(letter.headers)["stripeline-reason"] for letter in letters] == [b"past_horizon"]


@pytest.mark.parametrize("ahead_s", [-2 * HOUR_S, 2 * HOUR_S, 25 * HOUR_S], ids=["2 h slow", "2 h fast", "25 h fast"])
async def test_a_host_whose_clock_is_wrong_charges_once_and_in_time(broker: Broker, prefix: str, ahead_s: float):
    """A fresh worker decides by the broker's time from its first record on."""
    topics = Topics(prefix=prefix, tiers=parse_tiers("100ms,300ms,1h"))
    await apply_topics(topics, PARTITIONS, {"bootstrap_servers": broker.bootstrap_servers})
    async with SandboxServer() as server:
        sandbox, place = server.sandbox, Place(bootstrap=broker.bootstrap_servers, topics=topics, stripe=server.url)
        sandbox.faults.add(FaultRule(match=Match(contains="new"), fault=InjectedFault(status=503, headers=RETRY)))
        await place.order("old", age_ms=HORIZON_MS + 600_000)
        await place.order("new")
        clock = BrokerClock(wall=lambda: time.time() + ahead_s)
        async with place.worker(clock, lambda inner: inner):
            old, new = await place.results(2)
        assert abs(clock.now_ms() - time.time() * 1000) < 60_000
        # Past its 23rd hour it is looked up, whatever the host says; and the other one is back within its tier.
        assert (old["command_id"], old["status"], old["attempts"]) == ("old", "indeterminate", 0)
        assert (new["command_id"], new["status"], new["attempts"]) == ("new", "succeeded", 2)
        assert [effect.command for effect in sandbox.endpoints.ledger.effects] == ["new"]


async def test_what_waited_for_a_weekend_is_sent_and_not_looked_up(broker: Broker, prefix: str):
    topics = Topics(prefix=prefix, tiers=parse_tiers("100ms,300ms"))
    await apply_topics(topics, PARTITIONS, {"bootstrap_servers": broker.bootstrap_servers})
    async with SandboxServer() as server:
        place = Place(bootstrap=broker.bootstrap_servers, topics=topics, stripe=server.url)
        clock, pause = JumpingClock(), Pause()
        async with place.worker(clock, lambda inner: inner, pause.owner):
            await place.order("before")
            await place.results(1)
            pause.lasts = True
            await place.order("weekend")
            async with asyncio.timeout(WITHIN_S):
                while not await read_topic(broker.bootstrap_servers, [*topics.retries][-1], PARTITIONS):  # noqa: ASYNC110  (Kafka sets no event)
                    await asyncio.sleep(0.05)
            clock.later_ms = 60 * 3_600_000
            pause.lasts = False
            results = {row["command_id"]: row["status"] for row in await place.results(2)}
        assert results == {"before": "succeeded", "weekend": "succeeded"}
        assert [row["method"] for row in server.sandbox.endpoints.ledger.recent(100)] == ["POST", "POST"]


def _kept(seen: list[AbandonedAfterTheCall], one: AbandonedAfterTheCall) -> AbandonedAfterTheCall:
    seen.append(one)
    return one
