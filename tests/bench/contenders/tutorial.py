"""The tutorial stack: FastAPI, the Stripe SDK's `construct_event`, and aiokafka's `send_and_wait`, tuned as one would.

uvloop, httptools, no access log, idempotence, no linger: what its authors' own pages advise.
https://docs.stripe.com/webhooks/quickstart?lang=python
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import stripe
import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, HTTPException, Request

from tests.bench.stripe_load import SECRET


def application(bootstrap_servers: str, topic: str) -> FastAPI:
    producers: list[AIOKafkaProducer] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
        producers.append(producer)
        async with producer:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/webhooks/payments")
    async def webhook(request: Request) -> dict[str, Any]:
        payload = await request.body()
        try:
            event = stripe.Webhook.construct_event(payload, request.headers["stripe-signature"], SECRET)
        except (ValueError, stripe.SignatureVerificationError) as error:
            raise HTTPException(status_code=400) from error
        await producers[0].send_and_wait(topic, payload, key=event["data"]["object"]["id"].encode())
        return {"received": True}

    return app


if __name__ == "__main__":
    port, bootstrap_servers, topic = sys.argv[1:]
    app = application(bootstrap_servers, topic)
    uvicorn.run(
        app,
        port=int(port),
        access_log=False,
        log_level="warning",
        loop="uvloop",
        http="httptools",
        timeout_keep_alive=75,
    )
