"""G08 and G09: what answers for Stripe on the way judges neither a command nor a key."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.stripe.api import StripeApi
from tests.support.in_memory_executor import INTENT, KEY, InMemoryExecutor, succeeded_once
from tests.support.records import command

HTML, JWT = "<html><body>unable to serve your request</body></html>", '{"message": "Jwt is missing"}'


@pytest.fixture
async def world() -> AsyncIterator[InMemoryExecutor]:
    async with SandboxServer() as server, StripeApi(server.url, lambda _: SecretStr(KEY)) as api:
        yield InMemoryExecutor(api.send, server.sandbox)


@pytest.mark.parametrize("body", [HTML, JWT])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 429])
async def test_a_command_outlives_one_answer_of_a_hop(world: InMemoryExecutor, status, when, body):
    world.fault(status=status, body=body, when=when)
    for number in range(3):
        world.send(command(f"c{number}", **INTENT), key=b"k%d" % number)
    await world.run()
    assert [result["status"] for result in world.results] == ["succeeded"] * 3
    assert (len(world.effects), len(world.posts), world.dead) == (3, 4, [])
    assert len({call.idempotency_key for call in world.posts}) == 3


async def test_a_hop_that_always_answers_leaves_a_dead_letter(world: InMemoryExecutor):
    world.fault(status=403, body=HTML, times=None, method="POST", headers={"Server": "squid/5.7"})
    world.send(command(**INTENT))
    await world.run()
    result = world.only_result()
    assert (result["status"], result["error"]["code"]) == ("indeterminate", "INDETERMINATE")
    assert (len(world.dead), len(world.looks), len(world.effects)) == (1, 1, 0)


async def test_a_read_that_a_hop_always_answers_fails_as_retryable(world: InMemoryExecutor):
    world.fault(status=404, body=HTML, times=None, headers={"Server": "squid/5.7"})
    world.send(command(action="stripe/retrieve-charge", input={"id": "ch_1"}))
    await world.run()
    error = world.only_result()["error"]
    assert (error["code"], error["http_status"]) == ("PROVIDER_ERROR", 404)
    assert "404 (server squid/5.7), was not Stripe's" in error["message"]
    assert len(world.dead) == 1


async def test_a_hop_that_answers_a_search_is_no_reason_to_list(world: InMemoryExecutor):
    world.fault(drop=True, times=6, method="POST", when="after")
    world.fault(status=404, body=HTML, times=1, method="GET")
    world.send(command(**INTENT))
    await world.run()
    succeeded_once(world)
    assert all(call.look_up.pages == 0 for call in world.calls if call.look_up is not None)
