"""Example deliveries arrive as Stripe's would: signed, each with an id of its own, not faster than asked."""

import asyncio
import time
from collections.abc import AsyncIterator

import orjson
import pytest
import stripe
from aiohttp import web
from pydantic import SecretStr

from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.local.webhook_sender import DeliveryAnswer, deliver

SECRET = SecretStr("whsec_abc")


class Receiver:
    """A webhook endpoint that remembers what it got, and when."""

    def __init__(self) -> None:
        self.url = ""
        self.events: list[str] = []
        self.at_s: list[float] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.text()
        stripe.WebhookSignature.verify_header(body, request.headers["Stripe-Signature"], SECRET.get_secret_value(), 300)
        self.events.append(orjson.loads(body)["id"])
        self.at_s.append(asyncio.get_running_loop().time())
        return web.Response(status=200 if len(self.events) < 3 else 503, text="answer")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.add_routes([web.post("/webhooks/pay", receiver.take)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/pay"
    yield receiver
    await runner.cleanup()


async def sent(url: str, count: int, rate_per_s: float | None = None) -> list[DeliveryAnswer]:
    bodies = [example_event("charge.failed") for _ in range(count)]
    return [answer async for answer in deliver(url, SECRET, bodies, lambda: int(time.time()), rate_per_s)]


async def test_deliveries_are_signed_and_their_answers_told(receiver: Receiver) -> None:
    answers = await sent(receiver.url, 3)
    assert [(answer.status, answer.answer) for answer in answers] == [(200, "answer"), (200, "answer"), (503, "answer")]
    assert len(set(receiver.events)) == 3


async def test_deliveries_keep_to_the_rate(receiver: Receiver) -> None:
    await sent(receiver.url, 3, rate_per_s=4)
    assert receiver.at_s[2] - receiver.at_s[0] >= 0.3  # 0.5, less what the first one may come late


@pytest.mark.parametrize(
    ("url", "words"), [("http://127.0.0.1:1/webhooks/pay", "had no answer"), ("nonsense", "is not a URL")]
)
async def test_nobody_there_is_one_clear_paragraph(url: str, words: str) -> None:
    with pytest.raises(FailureError, match=words):
        await sent(url, 1)
