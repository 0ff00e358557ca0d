"""The whole receiver on a real Kafka: HTTP in, records out, and an honest answer while the broker is dead."""

import asyncio
import hmac
import time

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer

from stripeline.contracts.records import Event
from stripeline.contracts.topics import Topics
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.ingest.http.server import serve
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.webhook import Webhook
from tests.support.broker import create_topics
from tests.support.publish_futures import in_flight
from tests.support.webhook_paths import own_path

SECRET = b"whsec_test"
TRIGGER = own_path(name="pay", family_kind="stripe/payment-event", connection="acme", livemode=False, secrets=(SECRET,))


def event(number: int) -> bytes:
    data = {"object": {"id": f"pi_{number}", "object": "payment_intent", "amount": 5000}}
    made = {"id": f"evt_{number}", "object": "event", "type": "payment_intent.succeeded", "livemode": False}
    return orjson.dumps(made | {"created": int(time.time()), "data": data})


async def deliver(http: aiohttp.ClientSession, number: int) -> int:
    body, t = event(number), int(time.time())
    signature = f"t={t},v1={hmac.digest(SECRET, b'%d.%b' % (t, body), 'sha256').hex()}"
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
    async with http.post("/webhooks/pay", data=body, headers=headers) as answer:
        return answer.status


async def delivered(http: aiohttp.ClientSession, number: int) -> None:
    """As Stripe does: again until it is taken."""
    async with asyncio.timeout(60):
        while await deliver(http, number) != 200:  # noqa: ASYNC110  a server sets no event
            await asyncio.sleep(0.1)


async def event_ids(bootstrap_servers: str, topic: str, wanted: set[str]) -> set[str]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    found: set[str] = set()
    try:
        async with asyncio.timeout(20):
            while not wanted <= found:
                found.add(Event.model_validate_json((await consumer.getone()).value).id)
    finally:
        await consumer.stop()
    return found


async def test_acknowledged_events_survive_a_killed_broker(own_broker: LocalKafka, prefix: str) -> None:
    await create_topics(own_broker.bootstrap_servers, dict.fromkeys(Topics(prefix=prefix).events, 4))
    async with Publisher(
        {"bootstrap_servers": own_broker.bootstrap_servers}, prefix, bounds=InFlightBounds(deadline_s=1)
    ) as publisher:
        webhook = Webhook(paths={"pay": TRIGGER}.get)
        async with (
            await serve(webhook, publisher, host="127.0.0.1", port=0) as running,
            aiohttp.ClientSession(f"http://127.0.0.1:{running.port}") as http,
        ):
            await delivered(http, 0)
            under_way = [asyncio.create_task(delivered(http, number)) for number in range(1, 50)]
            async with asyncio.timeout(10):
                while not in_flight(publisher):  # noqa: ASYNC110  the publisher sets no event for a test
                    await asyncio.sleep(0)
            own_broker.kill()
            started = time.monotonic()
            assert await deliver(http, 99) == 503
            assert time.monotonic() - started < 1.5
            await own_broker.start()
            await asyncio.gather(*under_way, delivered(http, 99))
    wanted = {f"evt_{number}" for number in (*range(50), 99)}
    assert await event_ids(own_broker.bootstrap_servers, f"{prefix}payment-event", wanted) == wanted
