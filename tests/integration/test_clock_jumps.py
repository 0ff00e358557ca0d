"""The host's clock jumps an hour ahead and an hour back: only the age of a signature reacts, no wait does."""

import asyncio
import time

import pytest
from pydantic import SecretStr

from stripeline.contracts.topics import Topics
from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.local.webhook_sender import deliver
from stripeline.ingest.http.server import serve
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.webhook import Webhook
from tests.support.broker import Broker, create_topics
from tests.support.scripted_workers import LIMITED, ScriptedStripe, customers, scripted_workers, until
from tests.support.webhook_paths import own_path

SECRET = "whsec_test"
TRIGGER = own_path(
    name="pay", family_kind="stripe/payment-event", connection="acme", livemode=None, secrets=(SECRET.encode(),)
)
HOUR_S = 3_600.0
TIER_S, TIERS = 1.5, "1500ms,1h"
CLOCK_ERROR_S = 1.0  # of the broker's clock in a worker: an append's round trip at most


class Wall:
    """The host's wall clock, moved by hand."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self._time, self._time_ns = time.time, time.time_ns

    def time(self) -> float:
        return self._time() + self.ahead_s

    def time_ns(self) -> int:
        return self._time_ns() + int(self.ahead_s * 1e9)

    def right(self) -> float:
        return self._time()


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    moved = Wall()
    monkeypatch.setattr(time, "time", moved.time)
    monkeypatch.setattr(time, "time_ns", moved.time_ns)
    return moved


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
async def test_a_retry_comes_back_when_it_is_due(broker: Broker, prefix: str, wall: Wall, jump_s: float):
    async with scripted_workers(broker.bootstrap_servers, prefix, tiers=TIERS) as workers:
        stripe = ScriptedStripe(script={"c1": [LIMITED]})
        await workers.start(stripe).ready(1)
        await workers.send(*customers("c0"))
        await workers.all_have_results("c0")  # the broker's time is known
        await workers.send(*customers("c1"), key="k")
        await until(lambda: stripe.commands == ["c0", "c1"], "the first attempt")
        wall.ahead_s = jump_s
        await workers.all_have_results("c1", within_s=10)
        first, second = [made.at_s for made in stripe.made[1:]]
        assert TIER_S - CLOCK_ERROR_S <= second - first < 5


async def test_a_receiver_refuses_by_age_only_while_its_clock_is_off(broker: Broker, prefix: str, wall: Wall):
    await create_topics(broker.bootstrap_servers, dict.fromkeys(Topics(prefix=prefix).events, 1))
    async with Publisher(
        {"bootstrap_servers": broker.bootstrap_servers}, prefix, bounds=InFlightBounds(deadline_s=2)
    ) as publisher:
        await until(lambda: publisher.ready, "a producer")
        webhook = Webhook(paths={"pay": TRIGGER}.get)
        async with await serve(webhook, publisher, host="127.0.0.1", port=0, clock=time.time) as running:
            url, answers = f"http://127.0.0.1:{running.port}/webhooks/pay", []
            for ahead_s in (0, HOUR_S, -HOUR_S, 0):
                wall.ahead_s = ahead_s
                body = example_event("payment_intent.succeeded", event_id=f"evt_{len(answers)}")
                async with asyncio.timeout(5):
                    sent = deliver(url, SecretStr(SECRET), [body], lambda: int(wall.right()))
                    answers += [answer.status async for answer in sent]
    assert answers == [200, 400, 400, 200]
