"""Two installations on one Stripe account (case G10): each has effects of its own, and neither takes the other's."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.stripe.api import StripeApi
from tests.support.in_memory_executor import KEY, InMemoryExecutor
from tests.support.records import command

LOST_ANSWER = {"status": 500, "stored": True, "when": "after", "headers": {"Stripe-Should-Retry": "false"}}


@pytest.fixture
async def installations() -> AsyncIterator[tuple[InMemoryExecutor, InMemoryExecutor]]:
    async with SandboxServer() as server, StripeApi(server.url, lambda _: SecretStr(KEY)) as api:
        found = []
        for name in ("staging", "laptop"):
            one = InMemoryExecutor(api.send, server.sandbox)
            setup = replace(one.executor.setup, installation=lambda name=name: name)
            one.executor = replace(one.executor, setup=setup)
            found.append(one)
        yield found[0], found[1]


@pytest.mark.parametrize("partition", [0, 7])
async def test_each_has_an_effect_of_its_own(installations, partition: int):
    """Whether the event's key falls on the same partition number in both or not."""
    staging, laptop = installations
    staging.send(command("evt_two0:orders:customer"), partition=0)
    laptop.send(command("evt_two0:orders:customer"), partition=partition)
    await staging.run()
    await laptop.run()
    made = [one.only_result()["output"]["id"] for one in installations]
    assert sorted(made) == sorted(effect.id for effect in staging.effects)
    assert len(set(made)) == 2


@pytest.mark.parametrize("searches", [True, False])
async def test_a_look_up_finds_only_its_own(installations, searches: bool):
    staging, laptop = installations
    if not searches:
        staging.fault(times=None, path="/v1/customers/search", status=403, message="This key may not search.")
    for one in installations:
        one.fault(**LOST_ANSWER, method="POST")
        one.send(command())
        await one.run()
    assert [one.only_result()["status"] for one in installations] == ["succeeded"] * 2
    assert {one.only_result()["output"]["id"] for one in installations} == {effect.id for effect in laptop.effects}
    assert len(laptop.effects) == 2


async def test_what_the_other_did_is_not_found(installations):
    staging, laptop = installations
    staging.send(command())
    await staging.run()
    laptop.fault(status=500, stored=True, when="before", headers={"Stripe-Should-Retry": "false"}, method="POST")
    laptop.send(command())
    await laptop.run()
    assert (laptop.only_result()["status"], len(laptop.effects)) == ("indeterminate", 1)
