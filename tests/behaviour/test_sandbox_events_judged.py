"""The official SDK lists and reads the events and connected accounts of the sandbox, and pages through them."""

import pytest
import stripe

from stripeline.deploy.sandbox.http_server import SandboxServer
from tests.support.stripe_sdk import KEY, control

EVERY = ["payment_intent.succeeded", "charge.dispute.created", "charge.refund.updated", "charge.failed"]
EVERY += ["customer.created", "customer.subscription.deleted", "customer.source.expiring", "customer.tax_id.updated"]


async def test_the_sdk_pages_through_all_events(server: SandboxServer, judge: stripe.StripeClient) -> None:
    made = await control(server, "/events", types=EVERY, count=250, spread_s=50, key=KEY)
    page = await judge.v1.events.list_async({"limit": 100})
    events = [event async for event in page.auto_paging_iter()]
    assert sorted(event.id for event in events) == sorted(made["ids"])
    assert all(isinstance(event, stripe.Event) for event in events)
    assert {event.type for event in events} == set(EVERY)
    assert [event.created for event in events] == sorted((event.created for event in events), reverse=True)


async def test_the_sdk_filters_and_retrieves_events(server: SandboxServer, judge: stripe.StripeClient) -> None:
    await control(server, "/events", types=EVERY, count=16, key=KEY)
    created = {"gte": server.sandbox.now_ms(0) // 1000 - 60}
    found = await judge.v1.events.list_async({"types": [EVERY[0], EVERY[4]], "created": created, "limit": 100})  # type: ignore[typeddict-item]
    assert {event.type for event in found.data} == {EVERY[0], EVERY[4]}
    event = await judge.v1.events.retrieve_async(found.data[0].id)
    assert event.to_dict() == found.data[0].to_dict()
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await judge.v1.events.list_async({"starting_after": "evt_unknown"})
    assert (raised.value.http_status, raised.value.code, raised.value.param) == (
        400,
        "resource_missing",
        "starting_after",
    )


async def test_the_objects_of_events_are_read_by_the_sdk(server: SandboxServer, judge: stripe.StripeClient) -> None:
    await control(server, "/events", types=EVERY, count=len(EVERY), key=KEY)
    found = await judge.v1.events.list_async({"limit": 100})
    data = {event.type: event.data.object for event in found.data}
    assert (await judge.v1.payment_intents.retrieve_async(data[EVERY[0]]["id"])).status == "succeeded"
    assert (await judge.v1.disputes.retrieve_async(data[EVERY[1]]["id"])).charge == data[EVERY[1]]["charge"]
    assert (await judge.v1.refunds.retrieve_async(data[EVERY[2]]["id"])).amount == 1000
    assert (await judge.v1.subscriptions.retrieve_async(data[EVERY[5]]["id"])).status == "canceled"
    tax_id = data[EVERY[7]]
    assert (await judge.v1.customers.tax_ids.retrieve_async(tax_id["customer"], tax_id["id"])).id == tax_id["id"]


async def test_a_connected_account_lists_its_own(server: SandboxServer, judge: stripe.StripeClient) -> None:
    await control(server, "/connected", key=KEY, account="acct_1Shop")
    made = await control(server, "/events", types=EVERY, key=KEY, account="acct_1Shop")
    assert (await judge.v1.events.list_async()).data == []
    theirs = await judge.v1.events.list_async(None, {"stripe_account": "acct_1Shop"})
    assert [event.id for event in theirs.data] == made["ids"]


async def test_the_sdk_pages_through_connected_accounts(server: SandboxServer, judge: stripe.StripeClient) -> None:
    shops = [f"acct_1Shop{number}" for number in range(5)]
    for number, shop in enumerate(shops):
        await control(server, "/connected", key=KEY, account=shop, created=1_790_000_000 + number)
    await control(server, "/connected", key="sk_test_other9876", account="acct_1Theirs")
    page = await judge.v1.accounts.list_async({"limit": 2})
    assert (len(page.data), page.has_more) == (2, True)
    found = [account async for account in page.auto_paging_iter()]
    assert all(isinstance(account, stripe.Account) for account in found)
    assert [account.id for account in found] == shops[::-1]
    assert found[0].created == 1_790_000_004
    rest = await judge.v1.accounts.list_async({"limit": 2, "starting_after": shops[1]})
    assert ([account.id for account in rest.data], rest.has_more) == (shops[:1], False)
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await judge.v1.accounts.list_async({"starting_after": "acct_1Theirs"})
    assert (raised.value.http_status, raised.value.param) == (400, "starting_after")
