"""The official SDK as a client of a sandbox: what it makes of the answers is what it would make of Stripe's.

Beside it the sandbox's own control, which Stripe does not have.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import stripe

from stripeline.deploy.sandbox.http_server import SandboxServer

KEY = "sk_test_judge1234"


@asynccontextmanager
async def sdk_client(
    server: SandboxServer, key: str, *, retries: int = 0, **more: Any
) -> AsyncIterator[stripe.StripeClient]:
    http, addresses = stripe.AIOHTTPClient(), {"api": server.url}
    client = stripe.StripeClient(key, base_addresses=addresses, max_network_retries=retries, http_client=http, **more)  # type: ignore[arg-type]
    yield client
    await http.close_async()


async def control(server: SandboxServer, path: str, **body: Any) -> Any:
    """What the sandbox's control API answers. Fails when it refuses."""
    async with aiohttp.ClientSession() as http, http.post(f"{server.url}/_sandbox{path}", json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()
