"""The official SDK takes the sandbox's thin events for Stripe's: it parses, fetches, lists and follows them."""

import asyncio
import inspect
import re
from typing import Any

import pytest
import stripe
from aiohttp import web
from aiohttp.test_utils import TestServer
from stripe.events import _event_classes
from stripe.params import _webhook_endpoint_create_params

from stripeline.deploy.sandbox.events import twins
from stripeline.deploy.sandbox.http_server import SandboxServer
from tests.support.stripe_sdk import KEY, control

SECRET, SHOP = "whsec_judge", "acct_1Shop"
FAMILIES = ("payment_intent.", "charge.", "customer.")


def sdk_types() -> tuple[set[str], set[str]]:
    """The types of the three families: of snapshots, of thin events."""
    params = inspect.getsource(_webhook_endpoint_create_params)
    snapshots = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', params))
    thin = {name.removeprefix("v1.") for name in _event_classes._V2_EVENT_CLASS_LOOKUP if name.startswith("v1.")}
    return {name for name in snapshots if name.startswith(FAMILIES)}, {n for n in thin if n.startswith(FAMILIES)}


SNAPSHOTS, THIN = sdk_types()


async def notified(server: SandboxServer, judge: stripe.StripeClient, count: int, **events: Any) -> list[Any]:
    """What the SDK makes of the deliveries that these events bring."""
    taken = asyncio.Queue[Any]()

    async def receive(request: web.Request) -> web.Response:
        body, signature = await request.read(), request.headers["Stripe-Signature"]
        taken.put_nowait(judge.parse_event_notification(body, signature, SECRET))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    async with TestServer(app) as receiver:
        connect = "account" in events
        hook = {"url": str(receiver.make_url("/")), "secret": SECRET, "thin": True, "connect": connect}
        await control(server, "/webhooks", **hook)
        await control(server, "/events", key=KEY, count=count, **events)
        async with asyncio.timeout(20):
            return [await taken.get() for _ in range(count)]


def test_the_types_without_a_twin_are_those_of_the_sdk() -> None:
    assert THIN - SNAPSHOTS == twins.THIN_ONLY
    assert SNAPSHOTS - THIN == twins.SNAPSHOT_ONLY
    assert (len(twins.THIN_ONLY), len(twins.SNAPSHOT_ONLY)) == (14, 4)


async def test_the_sdk_parses_and_follows_each_thin_type(server: SandboxServer, judge: stripe.StripeClient) -> None:
    types = sorted(THIN)
    for notification in await notified(server, judge, len(types), types=types):
        assert type(notification) is not _event_classes.UnknownEventNotification
        event = await notification.fetch_event_async()
        assert type(event) is not stripe.v2.core.Event
        assert (event.id, event.type) == (notification.id, notification.type)
        name = event.type.removeprefix("v1.")
        if name in SNAPSHOTS:
            twin = await judge.v1.events.retrieve_async(str(event.snapshot_event))
            assert twin.type == name
            assert getattr(event.related_object, "id", None) in (None, twin.data.object["id"])
        else:
            assert event.snapshot_event is None
        if hasattr(notification, "related_object") and not name.endswith(".deleted"):
            found = await notification.fetch_related_object_async()
            assert found.object == notification.related_object.type
            assert getattr(notification.related_object, "id", None) in (None, found.id)
    assert {one.type for one in (await judge.v2.core.events.list_async({"limit": 100})).data} == {
        f"v1.{name}" for name in THIN
    }


async def test_the_context_of_a_notification_is_followed(server: SandboxServer, judge: stripe.StripeClient) -> None:
    await control(server, "/connected", key=KEY, account=SHOP)
    (notification,) = await notified(server, judge, 1, types=["charge.failed"], account=SHOP)
    assert str(notification.context) == SHOP
    assert (await notification.fetch_event_async()).id == notification.id
    assert (await notification.fetch_related_object_async()).status == "failed"
    with pytest.raises(stripe.StripeError) as raised:
        await judge.v2.core.events.retrieve_async(notification.id)
    assert (raised.value.http_status, raised.value.code) == (404, "not_found")


async def test_the_sdk_pages_through_thin_events(server: SandboxServer, judge: stripe.StripeClient) -> None:
    made = await control(server, "/events", types=["charge.failed"], key=KEY, count=130, spread_s=3)
    page = await judge.v2.core.events.list_async({"limit": 50, "types": ["v1.charge.failed"]})
    events = [event async for event in page.auto_paging_iter()]
    assert sorted(event.id for event in events) == sorted(made["thin_ids"])
    changed = await judge.v2.core.events.list_async({"object_id": events[0].related_object.id})
    assert [event.id for event in changed.data] == [events[0].id]


async def test_an_update_has_its_changes(server: SandboxServer, judge: stripe.StripeClient) -> None:
    before, data = {"description": None}, {"description": "paid twice"}
    made = await control(server, "/events", types=["charge.updated"], key=KEY, data=data, previous_attributes=before)
    event = await judge.v2.core.events.retrieve_async(made["thin_ids"][0])
    assert event.changes is not None
    assert event.changes.to_dict() == {"before": before, "after": data}
