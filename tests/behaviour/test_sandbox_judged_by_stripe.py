"""The official SDK is the judge: what it makes of the sandbox's answers is what it would make of Stripe's."""

import asyncio
import contextlib
from typing import Any

import pytest
import stripe
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.hops import HOPS
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.deploy.sandbox.webhook_endpoints import WebhookEndpoint
from tests.support.stripe_sdk import KEY, sdk_client


def code_of(error: stripe.StripeError) -> str | None:
    """The SDK's errors of 401 and 403 leave `code` out."""
    code: str | None = error.json_body["error"].get("code")
    return code


def intent(**more: Any) -> Any:
    return {"amount": 2000, "currency": "usd", "automatic_payment_methods": {"enabled": True}, **more}


async def test_a_payment_intent_is_created_and_read_back(judge: stripe.StripeClient) -> None:
    customer = await judge.v1.customers.create_async({"email": "jenny@example.com", "name": "Jenny"})
    params = intent(customer=customer.id, metadata={"stripeline_command": "cmd-1"}, receipt_email="jenny@example.com")
    made = await judge.v1.payment_intents.create_async(params)
    assert isinstance(made, stripe.PaymentIntent)
    assert (made.amount, made.currency, made.customer, made.status) == (
        2000,
        "usd",
        customer.id,
        "requires_payment_method",
    )
    assert made.client_secret
    assert made.client_secret.startswith(f"{made.id}_secret_")
    assert made.metadata["stripeline_command"] == "cmd-1"
    assert made.livemode is False
    read = await judge.v1.payment_intents.retrieve_async(made.id)
    assert read.to_dict() == made.to_dict()
    assert (await judge.v1.customers.retrieve_async(customer.id)).email == "jenny@example.com"


async def test_charges_are_seeded_and_read(server: SandboxServer, judge: stripe.StripeClient) -> None:
    charge = await judge.v1.charges.retrieve_async("ch_sandbox_refunded")
    assert isinstance(charge, stripe.Charge)
    assert (charge.paid, charge.refunded, charge.status) == (True, True, "succeeded")
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await judge.v1.charges.retrieve_async("ch_unknown")
    assert (raised.value.http_status, raised.value.code, raised.value.param) == (404, "resource_missing", "id")


async def test_a_decline_is_a_card_error_and_is_replayed(server: SandboxServer, judge: stripe.StripeClient) -> None:
    bodies = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as raised:
            await judge.v1.payment_intents.create_async(intent(amount=4002), {"idempotency_key": "k"})
        assert (raised.value.http_status, raised.value.code) == (402, "card_declined")
        bodies.append(raised.value.json_body)
    assert raised.value.headers["idempotent-replayed"] == "true"
    assert bodies[0] == bodies[1]
    assert bodies[0]["error"]["decline_code"] == "insufficient_funds"
    assert "_secret_" in bodies[0]["error"]["payment_intent"]["client_secret"]
    assert server.sandbox.endpoints.ledger.effects == []


async def test_a_key_replays_and_refuses_other_parameters(server: SandboxServer, judge: stripe.StripeClient) -> None:
    first = await judge.v1.payment_intents.create_async(intent(), {"idempotency_key": "k"})
    again = await judge.v1.payment_intents.create_async(intent(), {"idempotency_key": "k"})
    assert again.id == first.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.headers["original-request"] == first.last_response.request_id
    with pytest.raises(stripe.IdempotencyError):
        await judge.v1.payment_intents.create_async(intent(amount=2001), {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError):
        await judge.v1.customers.create_async({"name": "x"}, {"idempotency_key": "k"})
    assert len(server.sandbox.endpoints.ledger.effects) == 1


async def test_an_unknown_a_missing_and_a_small_parameter(judge: stripe.StripeClient) -> None:
    for params, code, param in (
        (intent(colour="red"), "parameter_unknown", "colour"),
        ({"currency": "usd"}, "parameter_missing", "amount"),
        (intent(amount=49), "amount_too_small", "amount"),
        (intent(amount=0), "parameter_invalid_integer", "amount"),
        (intent(receipt_email="nobody"), "email_invalid", "receipt_email"),
        (intent(customer="cus_unknown"), "resource_missing", "customer"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as raised:
            await judge.v1.payment_intents.create_async(params)
        assert (raised.value.http_status, raised.value.code, raised.value.param) == (400, code, param)
        assert raised.value.request_id


async def test_the_sdk_sees_each_status_as_its_own_error(server: SandboxServer, judge: stripe.StripeClient) -> None:
    for status, kind in (
        (403, stripe.PermissionError),
        (429, stripe.RateLimitError),
        (500, stripe.APIError),
        (503, stripe.APIError),
    ):
        server.sandbox.faults.add(FaultRule(match=Match(), fault=InjectedFault(status=status)))
        with pytest.raises(kind) as raised:
            await judge.v1.customers.create_async({"name": "x"})
        assert raised.value.http_status == status


async def test_a_key_is_judged(server: SandboxServer, judge: stripe.StripeClient) -> None:
    server.sandbox.accounts.revoke(KEY)
    with pytest.raises(stripe.AuthenticationError) as raised:
        await judge.v1.customers.create_async({"name": "x"})
    assert KEY not in str(raised.value)
    server.sandbox.accounts.restore(KEY)
    await judge.v1.customers.create_async({"name": "x"})


@pytest.mark.parametrize("amount", [4009, 4029, 5001, 5003])
async def test_a_fault_that_strikes_once_is_survived_with_the_same_key(
    server: SandboxServer, judge: stripe.StripeClient, amount: int
) -> None:
    for _ in range(2):
        with contextlib.suppress(stripe.RateLimitError, stripe.APIError, stripe.APIConnectionError):
            await judge.v1.payment_intents.create_async(intent(amount=amount), {"idempotency_key": "k"})
    made = await judge.v1.payment_intents.create_async(intent(amount=amount), {"idempotency_key": "k"})
    assert [effect.id for effect in server.sandbox.endpoints.ledger.effects] == [made.id]


async def test_the_sdk_retries_what_stripe_says_can_be_retried(server: SandboxServer) -> None:
    async with sdk_client(server, KEY, retries=1) as judge:
        made = await judge.v1.payment_intents.create_async(intent(amount=5003))
    assert made.last_response.headers["idempotent-replayed"] == "true"
    assert len(server.sandbox.endpoints.ledger.effects) == 1


async def test_a_500_after_the_effect_is_replayed_for_ever(server: SandboxServer, judge: stripe.StripeClient) -> None:
    for attempt in range(3):
        with pytest.raises(stripe.APIError) as raised:
            await judge.v1.payment_intents.create_async(intent(amount=5002), {"idempotency_key": "k"})
        assert raised.value.http_status == 500
        assert ("idempotent-replayed" in raised.value.headers) is (attempt > 0)
    assert len(server.sandbox.endpoints.ledger.effects) == 1


async def test_search_and_list_find_what_was_made(judge: stripe.StripeClient) -> None:
    made = [
        await judge.v1.payment_intents.create_async(intent(metadata={"stripeline_command": f"cmd-{n}"}))
        for n in range(5)
    ]
    found = await judge.v1.payment_intents.search_async({"query": "metadata['stripeline_command']:'cmd-3'"})
    assert [row.id for row in found.data] == [made[3].id]
    page = await judge.v1.payment_intents.list_async({"limit": 2, "created": {"gte": made[0].created}})
    assert page.has_more
    assert [row.id async for row in page.auto_paging_iter()] == [row.id for row in reversed(made)]
    with pytest.raises(stripe.InvalidRequestError):
        await judge.v1.customers.search_async({"query": "nonsense"})


async def test_the_account_of_a_key_and_a_connected_one(server: SandboxServer, judge: stripe.StripeClient) -> None:
    accounts, shop = server.sandbox.accounts, "acct_1Shop"
    assert (await judge.v1.accounts.retrieve_current_async()).id == accounts.account_of(KEY)
    with pytest.raises(stripe.PermissionError) as raised:
        await judge.v1.customers.create_async({"name": "x"}, {"stripe_account": shop})
    assert (raised.value.http_status, code_of(raised.value)) == (403, "account_invalid")
    accounts.connect(accounts.account_of(KEY), shop)
    made = await judge.v1.customers.create_async({"name": "x"}, {"stripe_account": shop})
    assert (await judge.v1.accounts.retrieve_async(shop)).id == shop
    with pytest.raises(stripe.InvalidRequestError):
        await judge.v1.customers.retrieve_async(made.id)
    assert (await judge.v1.customers.retrieve_async(made.id, None, {"stripe_account": shop})).id == made.id
    assert [effect.account for effect in server.sandbox.endpoints.ledger.effects] == [shop]


async def test_a_restricted_key_that_may_not_ask(server: SandboxServer) -> None:
    async with sdk_client(server, "rk_test_judge5678") as judge:
        with pytest.raises(stripe.PermissionError) as raised:
            await judge.v1.accounts.retrieve_current_async()
    assert (raised.value.http_status, code_of(raised.value)) == (403, None)


async def test_after_a_roll_the_old_key_is_401_and_the_new_one_works(server: SandboxServer) -> None:
    account = server.sandbox.accounts.account_of(KEY)
    server.sandbox.accounts.roll(KEY, "sk_test_rolled5678", revoked_from_ms=0)
    async with sdk_client(server, KEY) as old, sdk_client(server, "sk_test_rolled5678") as new:
        with pytest.raises(stripe.AuthenticationError) as raised:
            await old.v1.accounts.retrieve_current_async()
        assert (raised.value.http_status, code_of(raised.value)) == (401, "api_key_expired")
        assert (await new.v1.accounts.retrieve_current_async()).id == account


@pytest.mark.parametrize("name", sorted(HOPS.keys() - {"login_302"}))  # the SDK follows it, key and all
async def test_no_answer_of_a_hop_reads_as_stripes(
    server: SandboxServer, judge: stripe.StripeClient, name: str
) -> None:
    server.sandbox.faults.add(FaultRule(match=Match(), fault=HOPS[name]))
    with pytest.raises(stripe.APIError) as raised:
        await judge.v1.customers.create_async({"name": "x"})
    assert raised.value.code is None
    assert raised.value.request_id is None


async def test_a_delivery_is_stripes_own(server: SandboxServer, judge: stripe.StripeClient) -> None:
    """Signed as the SDK checks it, sent again until it is taken, with the key of the request that made the object."""
    taken, answers = asyncio.Queue[stripe.Event](), iter([500, 302, 200])

    async def receive(request: web.Request) -> web.Response:
        event = stripe.Webhook.construct_event(await request.read(), request.headers["Stripe-Signature"], "whsec_judge")
        taken.put_nowait(event)
        return web.Response(status=next(answers))

    app = web.Application()
    app.router.add_post("/", receive)
    async with TestServer(app) as receiver:
        endpoint = WebhookEndpoint(url=str(receiver.make_url("/")), secret=SecretStr("whsec_judge"))
        server.sandbox.webhooks.endpoints.append(endpoint)
        made = await judge.v1.customers.create_async({"name": "x"}, {"idempotency_key": "stripeline:c1"})
        async with asyncio.timeout(20):
            events = [await taken.get() for _ in range(3)]
    assert len({event.id for event in events}) == 1
    event = events[0]
    assert (event.type, event.data.object["id"], event.livemode) == ("customer.created", made.id, False)
    assert event.request is not None
    assert event.request.idempotency_key == "stripeline:c1"
    assert event.request.id == made.last_response.request_id
