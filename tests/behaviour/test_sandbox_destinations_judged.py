"""The official SDK makes and keeps destinations at the sandbox, and takes what they are sent for Stripe's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import stripe
from aiohttp import web
from aiohttp.test_utils import TestServer

from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.http_server import SandboxServer
from tests.support.stripe_sdk import sdk_client

RESTRICTED = "rk_test_judge5678"
URL, SECRET = "webhook_endpoint.url", "webhook_endpoint.signing_secret"


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, asyncio.Queue[tuple[bytes, str]]]]:
    """Its URL, and what it was sent: bodies with their signatures."""
    taken = asyncio.Queue[tuple[bytes, str]]()

    async def receive(request: web.Request) -> web.Response:
        taken.put_nowait((await request.read(), request.headers["Stripe-Signature"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    async with TestServer(app) as there, asyncio.timeout(20):
        yield str(there.make_url("/")), taken


def thin(url: str, **more: Any) -> Any:
    return {
        "name": "acme",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["v1.customer.created"],
        "webhook_endpoint": {"url": url},
        "include": [SECRET, URL],
        **more,
    }


async def test_an_endpoint_is_made_listed_changed_deleted(judge: stripe.StripeClient) -> None:
    endpoints, params = judge.v1.webhook_endpoints, {"url": "https://x.example", "enabled_events": ["charge.failed"]}
    made = await endpoints.create_async({**params, "connect": True, "metadata": {"stripeline": "acme"}})  # type: ignore[typeddict-item]
    assert isinstance(made, stripe.WebhookEndpoint)
    assert made.secret
    assert [row.id for row in (await endpoints.list_async()).data] == [made.id]
    changed = await endpoints.update_async(made.id, {"enabled_events": ["*"], "disabled": True})
    assert (changed.status, changed.enabled_events, changed.metadata["stripeline"]) == ("disabled", ["*"], "acme")
    assert getattr(changed, "secret", None) is None
    assert (await endpoints.delete_async(made.id)).deleted
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await endpoints.retrieve_async(made.id)
    assert raised.value.http_status == 404


async def test_a_destination_is_made_listed_changed_deleted(judge: stripe.StripeClient) -> None:
    destinations = judge.v2.core.event_destinations
    made = await destinations.create_async(thin("https://x.example", metadata={"stripeline": "acme"}))
    assert isinstance(made, stripe.v2.core.EventDestination)
    assert made.webhook_endpoint is not None
    assert made.webhook_endpoint.signing_secret
    found = await destinations.retrieve_async(made.id, {"include": [URL]})
    assert found.webhook_endpoint is not None
    assert (found.webhook_endpoint.url, found.webhook_endpoint.signing_secret) == ("https://x.example", None)
    assert [row.id for row in (await destinations.list_async({"limit": 5})).data] == [made.id]
    changed = await destinations.update_async(made.id, {"name": "new", "enabled_events": ["v1.charge.failed"]})
    assert (changed.name, changed.enabled_events, changed.event_payload) == ("new", ["v1.charge.failed"], "thin")
    disabled = await destinations.disable_async(made.id)
    assert disabled.status_details is not None
    assert disabled.status_details.disabled is not None
    assert disabled.status_details.disabled.reason == "user"
    assert (await destinations.enable_async(made.id)).status == "enabled"
    assert (await destinations.delete_async(made.id)).id == made.id
    with pytest.raises(stripe.StripeError) as raised:
        await destinations.retrieve_async(made.id)
    assert (raised.value.http_status, raised.value.code) == (404, "not_found")


async def test_an_endpoint_that_was_made_is_delivered_to(judge: stripe.StripeClient) -> None:
    async with receiver() as (url, taken):
        endpoint = await judge.v1.webhook_endpoints.create_async(
            {"url": url, "enabled_events": ["customer.created"], "api_version": "2024-06-20"}
        )
        customer = await judge.v1.customers.create_async({"name": "Ada"})
        event = judge.construct_event(*await taken.get(), str(endpoint.secret))
    assert (event.type, event.data.object["id"], event.api_version) == ("customer.created", customer.id, "2024-06-20")
    listed = (await judge.v1.events.list_async()).data[0]
    assert (listed.id, listed.api_version) == (event.id, "2026-06-24.dahlia")


async def test_a_thin_destination_that_was_made_is_pinged(judge: stripe.StripeClient) -> None:
    async with receiver() as (url, taken):
        made = await judge.v2.core.event_destinations.create_async(thin(url))
        assert made.webhook_endpoint is not None
        secret = made.webhook_endpoint.signing_secret
        event = await judge.v2.core.event_destinations.ping_async(made.id)
        ping = judge.parse_event_notification(*await taken.get(), secret)
        assert (ping.id, ping.type) == (event.id, "v2.core.event_destination.ping")
        assert ping.related_object.id == made.id
        customer = await judge.v1.customers.create_async({"name": "Ada"})
        notification = judge.parse_event_notification(*await taken.get(), secret)
    assert notification.type == "v1.customer.created"
    assert (await notification.fetch_related_object_async()).id == customer.id


async def test_the_seventeenth_and_a_key_without_rights(server: SandboxServer, judge: stripe.StripeClient) -> None:
    server.sandbox.accounts.permit(RESTRICTED, frozenset({"customer_write"}))
    async with sdk_client(server, RESTRICTED) as restricted:
        with pytest.raises(stripe.PermissionError):
            await restricted.v1.webhook_endpoints.list_async()
        with pytest.raises(stripe.StripeError) as raised:
            await restricted.v2.core.event_destinations.create_async(thin("https://x.example"))
        assert raised.value.http_status == 403
    for _ in range(16):
        await judge.v2.core.event_destinations.create_async(thin("https://x.example"))
    with pytest.raises(stripe.InvalidRequestError) as full:
        await judge.v1.webhook_endpoints.create_async({"url": "https://x.example", "enabled_events": ["*"]})
    assert "maximum of 16" in str(full.value)


@pytest.mark.parametrize("v2", [False, True])
async def test_a_lost_answer_is_found_by_the_sdk(server: SandboxServer, judge: stripe.StripeClient, v2: bool) -> None:
    path = "/v2/core/event_destinations" if v2 else "/v1/webhook_endpoints"
    lost = InjectedFault(when="after", drop=True)
    server.sandbox.faults.add(FaultRule(match=Match(path=path, method="POST"), fault=lost))
    api: Any = judge.v2.core.event_destinations if v2 else judge.v1.webhook_endpoints
    params = thin("https://x.example") if v2 else {"url": "https://x.example", "enabled_events": ["*"]}
    with pytest.raises(stripe.APIConnectionError):
        await api.create_async(params)
    assert len((await api.list_async()).data) == 1
