"""A sweep pages through both of the sandbox's lists of events over HTTP, also for a connected account."""

import time

import pytest
from pydantic import SecretStr

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.operator.stripe_side_records import Payload
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.deploy.stripe_side.sweeps.event_listing import EventListing
from stripeline.deploy.stripe_side.sweeps.stripe_lists import AskedFor, StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweep_plan import TypesQuestion
from stripeline.workers.stripe.api import StripeApi
from tests.support.stripe_sdk import control

KEY, SHOP, TYPE = "sk_test_sweep", "acct_1Shop", "payment_intent.succeeded"


@pytest.mark.parametrize("account", [None, SHOP])
@pytest.mark.parametrize("listed", ["snapshot", "thin"])
async def test_a_sweep_pages_through_the_list(listed: Payload, account: str | None):
    first_s = int(time.time()) - 7_200
    async with SandboxServer(port=0) as server, StripeApi(server.url, lambda _: None) as stripe:
        await control(server, "/connected", key=KEY, account=SHOP)
        wanted = {"count": 250, "key": KEY, "created": first_s, "spread_s": 3_600, "deliver": False, "account": account}
        made = await control(server, "/events", types=[TYPE], **wanted)
        await control(server, "/events", types=["charge.failed"], **wanted)
        lists = StripeLists(stripe.read, SweepPace(lambda _: Rate()), lambda: 0)
        name = TYPE if listed == "snapshot" else f"v1.{TYPE}"
        listing = EventListing(TypesQuestion(listed, (name,)), first_s, first_s + 3_600, account)
        found = []
        while not listing.done:
            found += await lists.page(listing, AskedFor("acme", SecretStr(KEY), account))
    ids = made["ids"] if listed == "snapshot" else made["thin_ids"]
    assert {one.id for one in found} == set(ids)
    assert len(found) == 250
    assert lists.calls == 3
    assert [one.created_s for one in found] == sorted((one.created_s for one in found), reverse=True)
    if account is not None:
        assert all(SHOP.encode() in one.body for one in found)
