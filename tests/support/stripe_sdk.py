"""The official SDK as a client of a sandbox: what it makes of the answers is what it would make of Stripe's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import stripe

from stripeline.deploy.sandbox.http_server import SandboxServer


@asynccontextmanager
async def sdk_client(server: SandboxServer, key: str, **more: Any) -> AsyncIterator[stripe.StripeClient]:
    http, addresses = stripe.AIOHTTPClient(), {"api": server.url}
    client = stripe.StripeClient(key, base_addresses=addresses, max_network_retries=0, http_client=http, **more)  # type: ignore[arg-type]
    yield client
    await http.close_async()
