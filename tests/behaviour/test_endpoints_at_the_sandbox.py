"""Destinations are made, changed, rolled and checked at the sandbox, over HTTP, with the client that all calls use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger, parse_definition
from stripeline.contracts.operator.stripe_side_records import Destinations
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.deploy.sandbox.sandbox import Sandbox
from stripeline.deploy.stripe_side.endpoints.endpoint_calls import EndpointCalls, destinations_there
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import begun_roll
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import NotDone
from stripeline.deploy.stripe_side.endpoints.endpoint_troubles import endpoint_troubles
from stripeline.deploy.stripe_side.endpoints.endpoint_work import EndpointWork
from stripeline.deploy.stripe_side.endpoints.installation_plans import AccountPlan, account_plans
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination
from stripeline.workers.secrets.vault import Vault, endpoint_secret, new_master_key
from stripeline.workers.stripe.api import StripeApi

KEY, VAULT = SecretStr("sk_test_endpoints1234567"), Vault.from_ring([SecretStr(new_master_key())])
SHOP = Endpoint(connection="acme", triggers=("pay", "cards"), url="http://127.0.0.1:9", mode="test")
DEFINED = Definitions(
    connections={"acme": Connection(secret_key="sealed:x", mode="test", hint="sk_test_…")},
    triggers={
        "pay": Trigger(kind="stripe/payment-event", connection="acme", mode="test"),
        "cards": Trigger(kind="stripe/charge-event", connection="acme", mode="test", payload="both"),
    },
    endpoints={"shop": SHOP},
)


@dataclass
class At:
    """An installation with one account at the sandbox."""

    url: str
    stripe: StripeApi
    definitions: Definitions = DEFINED

    async def there(self) -> tuple[StripeDestination, ...]:
        found = await destinations_there(self.stripe.read, KEY)
        assert not isinstance(found, NotDone), found
        return found

    async def plan(self) -> AccountPlan:
        (plan,) = account_plans(self.definitions, "here", {"acme": await self.there()})
        return plan

    def work(self) -> EndpointWork:
        async def read() -> Definitions:
            return self.definitions

        async def write(changes: Any) -> None:
            held = dict(self.definitions.destinations)
            for key, value in changes.items():
                record = None if value is None else parse_definition(key, value)
                name = key.partition("/")[2]
                held.pop(name, None)
                if isinstance(record, Destinations):
                    held[name] = record
            self.definitions = replace(self.definitions, destinations=held)

        calls = {"acme": EndpointCalls(stripe=self.stripe, key=KEY, pauses_s=(0, 0))}
        return EndpointWork(vault=VAULT, installation="here", calls=calls, read=read, write=write)

    async def carry_out(self, *steps: Any) -> None:
        work = self.work()
        for step in steps:
            await work.carry_out("acme", step)

    async def apply(self) -> list[str]:
        steps = (await self.plan()).plan.steps
        await self.carry_out(*steps)
        return [type(one).__name__ for one in steps]

    async def troubles(self) -> list[str]:
        return [one.kind for one in endpoint_troubles(self.definitions, "here", {"acme": await self.there()})]

    async def control(self, path: str, method: str = "POST", **body: Any) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}/_sandbox{path}", json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()


@asynccontextmanager
async def sandbox() -> AsyncIterator[At]:
    async with SandboxServer(Sandbox(seed=1)) as server, StripeApi(server.url, lambda _: None) as stripe:
        yield At(server.url, stripe)


async def test_destinations_are_made_kept_and_removed():
    async with sandbox() as at:
        assert await at.apply() == ["Create", "Create"]
        assert (await at.apply(), await at.troubles()) == ([], [])
        found = sorted(await at.there(), key=lambda one: one.payload or "")
        assert [(one.payload, one.connect, one.enabled, one.url) for one in found] == [
            (one, False, True, "http://127.0.0.1:9/webhooks/shop") for one in ("snapshot", "thin")
        ]  # fmt: skip
        for made in at.definitions.destinations["shop"].destinations:
            assert VAULT.open(endpoint_secret("shop"), made.signing_secret).get_secret_value().startswith("whsec_")
        at.definitions = replace(at.definitions, endpoints={})
        assert await at.apply() == ["Delete", "Delete", "Forget", "Forget"]
        assert (await at.there(), at.definitions.destinations) == ((), {})


async def test_what_cant_be_changed_in_place_is_replaced():
    async with sandbox() as at:
        await at.apply()
        newer = SHOP.model_copy(update={"api_version": "2026-10-28.endive", "connect": True})
        at.definitions = replace(at.definitions, endpoints={"shop": newer})
        assert await at.troubles() == ["api_version"]
        assert await at.apply() == ["Create", "Create", "Delete", "Delete", "Forget", "Forget"]
        assert [(one.connect, one.api_version) for one in await at.there() if one.payload == "snapshot"] == [
            (True, "2026-10-28.endive")
        ]
        assert (await at.apply(), await at.troubles()) == ([], [])


async def test_types_and_address_are_changed_in_place():
    async with sandbox() as at:
        await at.apply()
        ids = [one.id for one in await at.there()]
        moved = SHOP.model_copy(update={"url": "http://127.0.0.1:8", "triggers": ("cards",)})
        at.definitions = replace(at.definitions, endpoints={"shop": moved})
        assert sorted(await at.apply()) == ["Update", "Update", "Update"]
        found = await at.there()
        assert [one.id for one in found] == ids
        assert {one.url for one in found} == {"http://127.0.0.1:8/webhooks/shop"}
        assert all("charge" in event for one in found for event in one.events)
        assert await at.apply() == []


async def test_a_destination_that_stripe_disabled_is_found_and_enabled():
    async with sandbox() as at:
        await at.apply()
        first = (await at.there())[0].id
        await at.control("/destinations", id=first, disabled_for="user")
        (trouble,) = endpoint_troubles(at.definitions, "here", {"acme": await at.there()})
        assert (trouble.kind, "is disabled at Stripe (user)" in trouble.text) == ("disabled", True)
        assert await at.apply() == ["Enable"]
        assert await at.troubles() == []


async def test_a_roll_at_16_of_16_says_so_before_it_starts():
    async with sandbox() as at:
        await at.apply()
        plan = await at.plan()
        wanted = plan.wanted["shop"][0]
        others = at.work().calls["acme"]
        for number in range(14):
            await others.make(replace(wanted, endpoint=f"other-{number}"), "them")
        plan = await at.plan()
        assert len(plan.state.there) == 16
        assert "16 of the 16" in begun_roll(plan.state, "shop", plan.wanted["shop"]).problems[0]
        assert await at.apply() == []


async def test_a_roll_ends_with_another_secret():
    async with sandbox() as at:
        await at.apply()
        before = at.definitions.destinations["shop"].destinations
        plan = await at.plan()
        await at.carry_out(*begun_roll(plan.state, "shop", plan.wanted["shop"]).made)
        assert len(at.definitions.destinations["shop"].destinations) == 4
        assert "twice" in await at.troubles()
        calls = at.work().calls["acme"]
        assert [await calls.ping(one) for one in (await at.plan()).state.known("shop")] == [None] * 4
        assert await at.apply() == ["Delete", "Delete", "Forget", "Forget"]
        after = at.definitions.destinations["shop"].destinations
        assert not {one.id for one in before} & {one.id for one in after}
        assert (len(after), await at.troubles()) == (2, [])


async def test_a_key_that_may_not_write_is_told_apart():
    async with sandbox() as at:
        key = SecretStr("rk_test_endpoints7654321")
        await at.control("/keys", key=key.get_secret_value(), permissions=["event_destination_read"])
        there = await destinations_there(at.stripe.read, key)
        assert there == ()
        calls = EndpointCalls(stripe=at.stripe, key=key, pauses_s=())
        made = await calls.make((await at.plan()).wanted["shop"][0], "here")
        assert isinstance(made, NotDone)
        assert made.right


async def test_an_answer_that_is_lost_gives_the_same_secret_again():
    async with sandbox() as at:
        await at.control(
            "/faults", match={"path": "/v2/core/event_destinations", "method": "POST"},
            fault={"when": "after", "drop": True}, times=1,
        )  # fmt: skip
        assert await at.apply() == ["Create", "Create"]
        assert len(await at.there()) == 2
        assert await at.troubles() == []
