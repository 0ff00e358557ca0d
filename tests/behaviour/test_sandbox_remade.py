"""The object of an event that Stripe failed to make, fetched from the sandbox over HTTP by the notice."""

import time

import orjson
import pytest
from pydantic import SecretStr

from stripeline.deploy.failure import FailureError
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.deploy.stripe_side.unmade.event_remaking import fetched
from stripeline.deploy.stripe_side.unmade.remade_event import UnmadeNotice, remade
from stripeline.workers.stripe.api import StripeApi
from tests.support.stripe_sdk import control

KEY, SHOP = "sk_test_remade", "acct_1Shop"


@pytest.mark.parametrize("account", [None, SHOP])
@pytest.mark.parametrize(
    ("event_type", "topic", "object_type"),
    [
        ("payment_intent.succeeded", "payment-event", "payment_intent"),
        ("charge.dispute.created", "charge-event", "dispute"),
        ("customer.subscription.deleted", "customer-event", "subscription"),
    ],
)
async def test_a_notice_and_its_object_make_the_event(
    event_type: str, topic: str, object_type: str, account: str | None
):
    async with SandboxServer(port=0) as server, StripeApi(server.url, lambda _: None) as stripe:
        await control(server, "/connected", key=KEY, account=SHOP)
        made = await control(server, "/health", key=KEY, type=event_type, account=account)
        notice = UnmadeNotice(made["id"], int(time.time()), livemode=False, connection="acme", account=account)
        unmade, found = await fetched(stripe, SecretStr(KEY), notice, None)
    record = remade(notice, unmade, found, "acme", 0)
    value = orjson.loads(record.value)
    assert (record.topic, value["type"], value["data"]["object"]) == (topic, event_type, object_type)
    assert value["data"]["id"] == made["data"]["impact"]["related_object"]["id"]
    assert value.get("account") == account


async def test_another_accounts_notice_is_not_read():
    async with SandboxServer(port=0) as server, StripeApi(server.url, lambda _: None) as stripe:
        made = await control(server, "/health", key=KEY, type="payment_intent.succeeded")
        notice = UnmadeNotice(made["id"], int(time.time()), livemode=False, connection="acme", account=None)
        with pytest.raises(FailureError, match="Stripe did not give the notice"):
            await fetched(stripe, SecretStr("sk_test_another"), notice, None)
