"""Whole lives of commands: faults before and after the effect, look-ups, dead workers, an outage of 25 hours."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts import headers as h
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.stripe.api import StripeApi
from tests.support.in_memory_executor import (
    ACTIONS,
    GATEWAY,
    INTENT,
    KEY,
    PATHS,
    REFUSAL,
    InMemoryExecutor,
    WorkerDiedError,
    dies,
    same,
    succeeded_once,
)
from tests.support.records import command


@pytest.fixture
async def world() -> AsyncIterator[InMemoryExecutor]:
    async with SandboxServer() as server, StripeApi(server.url, lambda _: SecretStr(KEY)) as api:
        yield InMemoryExecutor(api.send, server.sandbox)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}, {"status": 502, "body": GATEWAY}])
async def test_a_call_lost_before_its_effect_repeats_the_same_key(world: InMemoryExecutor, fault):
    world.fault(**fault)
    world.send(command(**INTENT))
    await world.run()
    succeeded_once(world, "payment_intent")
    assert len(world.posts) == 2
    assert same(world.posts[0].request, world.posts[1].request)
    assert {call.idempotency_key for call in world.posts} == {"stripeline:inst1:c1"}


LOST_AFTER = [
    {"drop": True, "when": "after"}, {"cut_body": True, "when": "after"}, {"status": 500, "when": "after"},
    {"status": 504, "when": "after"}, {"status": 200, "body": "<html>Welcome</html>", "when": "after"},
    {"status": 200, "body": "x" * (1 << 20) + "x", "when": "after"}, {"status": 302, "body": "", "when": "after"},
]  # fmt: skip


@pytest.mark.parametrize("fault", LOST_AFTER)
async def test_a_call_lost_after_its_effect_is_replayed_by_stripe(world: InMemoryExecutor, fault):
    world.fault(**fault)
    world.send(command(**INTENT))
    await world.run()
    succeeded_once(world, "payment_intent")
    output = world.only_result()["output"]
    assert (output["amount"], output["currency"], output["status"]) == (2_000, "usd", "requires_payment_method")
    assert output["client_secret"].startswith(output["id"])
    assert (world.only_result()["attempts"], world.looks) == (2, [])
    assert world.sandbox.endpoints.ledger.recent(1)[0]["replayed"]


async def test_a_key_that_is_in_use_is_asked_again_and_ends_well(world: InMemoryExecutor):
    world.fault(status=409, code="idempotency_key_in_use", times=2)
    world.send(command())
    await world.run()
    succeeded_once(world)
    assert len(world.posts) == 3


async def test_another_conflict_is_final(world: InMemoryExecutor):
    world.fault(status=409, code="resource_conflict")
    world.send(command())
    await world.run()
    error = world.only_result()["error"]
    assert (error["code"], error["retryable"], len(world.posts)) == ("CONFLICT", False, 1)
    assert world.effects == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_stored_500_that_may_not_be_asked_again_is_looked_up(world: InMemoryExecutor, when):
    world.fault(status=500, stored=True, when=when, headers={"Stripe-Should-Retry": "false"})
    world.send(command(**INTENT))
    await world.run()
    assert (len(world.posts), len(world.looks)) == (1, 1)
    if when == "after":
        return succeeded_once(world)
    assert (world.only_result()["status"], world.effects) == ("indeterminate", [])
    assert [headers[h.REASON] for _, headers in world.dead] == [b"indeterminate"]
    return None


async def test_a_stored_500_without_advice_is_retried_then_looked_up(world: InMemoryExecutor):
    world.fault(status=500, stored=True, when="after")
    world.send(command())
    await world.run()
    succeeded_once(world)
    assert (len(world.posts), len(world.looks)) == (2, 1)


async def test_a_loss_in_every_attempt_ends_with_a_look_up(world: InMemoryExecutor):
    world.fault(drop=True, when="after", method="POST", times=None)
    world.send(command())
    await world.run()
    succeeded_once(world)
    assert (len(world.posts), len(world.looks)) == (6, 1)


GATEWAYS = [
    {"status": 400, "body": GATEWAY}, {"status": 413, "body": GATEWAY}, {"status": 404, "body": "not here"},
    {"status": 409, "body": ""}, {"status": 404, "body": "[]"},
    {"status": 404, "body": '{"message": "no route matched"}'},
]  # fmt: skip


@pytest.mark.parametrize("then", GATEWAYS)
async def test_a_gateways_refusal_does_not_decide_an_earlier_attempt(world, then):
    world.fault(drop=True, when="after")
    world.fault(**then)
    world.send(command())
    await world.run()
    succeeded_once(world)


async def test_an_older_releases_attempt_is_looked_up(world: InMemoryExecutor):
    """Stripe refuses the key with other parameters: that says nothing about what the first attempt did."""
    world.fault(drop=True, when="after")
    world.send(command())
    await world.once(world.next_due())
    customer = ACTIONS["stripe/create-customer"]
    newer = replace(customer, params=lambda given: {**customer.params(given), "description": "of the next release"})
    setup = replace(world.executor.setup, actions={**ACTIONS, customer.key: newer})
    world.executor = replace(world.executor, setup=setup)
    await world.run()
    succeeded_once(world)
    assert len(world.posts) == 2


async def test_the_same_id_in_another_partition_has_no_second_effect(world: InMemoryExecutor):
    world.send(command())
    await world.run()
    other = InMemoryExecutor(world.call_stripe, world.sandbox)
    other.send(command(), partition=7, key=b"k2")
    await other.run()
    (effect,) = world.effects
    assert [each.only_result()["output"]["id"] for each in (world, other)] == [effect.id] * 2


async def test_an_id_that_was_used_for_another_order_is_no_success(world: InMemoryExecutor):
    """Under another key, so that nobody here knows it: its Idempotency-Key is Stripe's for the first one."""
    world.send(command())
    await world.run()
    other = InMemoryExecutor(world.call_stripe, world.sandbox)
    other.send(command(input={"name": "Ada"}), partition=7, key=b"k2")
    await other.run()
    assert len(world.effects) == 1
    assert (other.only_result()["status"], other.only_result()["output"]) == ("indeterminate", None)


class TestLookUp:
    @pytest.mark.parametrize("action", PATHS)
    async def test_waits_until_the_search_index_can_have_it(self, world: InMemoryExecutor, action):
        world.sandbox.endpoints.search_delay_ms = 90_000
        world.fault(status=500, stored=True, when="after", headers={"Stripe-Should-Retry": "false"})
        start_ms = world.now_ms
        world.send(command(action=action, input=INTENT["input"] if "intent" in action else {}))
        await world.run()
        succeeded_once(world)
        assert world.now_ms - start_ms >= 120_000
        assert len(world.looks) == 1

    @pytest.mark.parametrize("status", [400, 403, 404])
    @pytest.mark.parametrize("action", PATHS)
    async def test_lists_where_search_is_not_offered(self, world: InMemoryExecutor, action, status):
        world.fault(**{**REFUSAL, "status": status}, path=f"{PATHS[action]}/search", times=None)
        world.fault(status=500, stored=True, when="after", method="POST")
        world.send(command(action=action, input=INTENT["input"] if "intent" in action else {}))
        await world.run()
        succeeded_once(world)

    async def test_lists_through_all_pages(self, world: InMemoryExecutor):
        world.fault(status=500, stored=True, when="after", method="POST")
        world.send(command())
        await self.and_then(world, others=250)
        succeeded_once_of(world, "c1")
        paths = [request["path"] for request in world.sandbox.endpoints.ledger.recent(4)]
        assert paths == ["/v1/customers"] * 3 + ["/v1/customers/search"]

    async def test_lists_through_all_pages_and_finds_nothing(self, world: InMemoryExecutor):
        world.fault(status=500, stored=True, when="before", method="POST")
        world.send(command())
        await self.and_then(world, others=250)
        assert (world.only_result()["status"], len(world.effects)) == ("indeterminate", 250)

    async def test_of_more_than_may_be_listed_says_that_it_does_not_know(self, world: InMemoryExecutor, monkeypatch):
        monkeypatch.setattr("stripeline.workers.executor.stripe_lookup.MAX_PAGES", 2)
        world.fault(status=500, stored=True, when="after", method="POST")
        world.send(command())
        await self.and_then(world, others=250)
        assert world.only_result()["status"] == "indeterminate"
        assert "dashboard" in world.only_result()["error"]["message"]

    @staticmethod
    async def and_then(world: InMemoryExecutor, *, others: int) -> None:
        """The command's own attempt, then objects of others, then its look-up, without search."""
        await world.once(world.next_due())
        endpoints = world.sandbox.endpoints
        for number in range(others):
            await world.call_stripe(other_call(world, number))
        assert len(endpoints.ledger.effects) >= others
        world.fault(**REFUSAL, path="/v1/customers/search", times=None)
        await world.run()

    async def test_that_fails_is_made_again(self, world: InMemoryExecutor):
        world.fault(status=500, stored=True, when="after", method="POST")
        for fault in ({"cut_body": True}, {"status": 503}, {"status": 429}, {"status": 200, "body": "<html>"}):
            world.fault(**fault, path="/v1/customers/search")
        world.send(command())
        await world.run()
        succeeded_once(world)
        assert len(world.looks) == 5


def other_call(world: InMemoryExecutor, number: int):
    call = world.posts[0]
    params = {
        **call.request.params,
        "metadata": {"stripeline_installation": "inst1", "stripeline_command": f"other-{number}"},
    }
    return replace(call, request=replace(call.request, params=params), idempotency_key=f"other-{number}")


def succeeded_once_of(world: InMemoryExecutor, command_id: str) -> None:
    (effect,) = [effect for effect in world.effects if effect.command == command_id]
    assert (world.only_result()["status"], world.only_result()["output"]["id"]) == ("succeeded", effect.id)


@pytest.mark.parametrize("action", PATHS)
@pytest.mark.parametrize("search_is_offered", [True, False])
async def test_after_an_outage_of_25_hours_nothing_is_posted_again(world: InMemoryExecutor, action, search_is_offered):
    """Stripe has forgotten the key by then: the same POST would be a second effect."""
    if not search_is_offered:
        world.fault(**REFUSAL, path=f"{PATHS[action]}/search", times=None)
    record = world.send(command(action=action, input=INTENT["input"] if "intent" in action else {}))
    with pytest.raises(WorkerDiedError):
        await world.run(dies(world, after=True))
    assert (len(world.effects), world.results) == (1, [])
    world.advance(25 * 3_600_000)
    world.put_back(record)
    await world.run()
    succeeded_once(world)
    assert len(world.posts) == 1
    before = len(world.effects)
    await world.call_stripe(world.posts[0])
    assert len(world.effects) == before + 1  # the sandbox has forgotten the key: a POST would have been one too many


@pytest.mark.parametrize("after", [True, False])
async def test_a_dead_workers_call_is_looked_up_past_not_after(world: InMemoryExecutor, after: bool):
    """Told EXPIRED of a payment that was made, a team would send it again under a new id."""
    record = world.send(command(**INTENT, not_after=world.now_ms + 60_000))
    with pytest.raises(WorkerDiedError):
        await world.run(dies(world, after=after))
    world.advance(90_000)
    world.put_back(record)
    await world.run()
    if after:
        succeeded_once(world)
        return
    assert [(result["status"], result["error"]["code"]) for result in world.results] == [("failed", "EXPIRED")]
    assert world.effects == []


async def test_after_25_hours_a_missing_object_is_left_to_a_person(world: InMemoryExecutor):
    record = world.send(command())
    with pytest.raises(WorkerDiedError):
        await world.run(dies(world, after=False))
    world.advance(25 * 3_600_000)
    world.put_back(record)
    await world.run()
    assert (world.only_result()["status"], world.only_result()["error"]["code"]) == ("indeterminate", "INDETERMINATE")
    assert [headers[h.REASON] for _, headers in world.dead] == [b"past_horizon"]
    assert world.effects == []
    assert [request["method"] for request in world.sandbox.endpoints.ledger.recent(9)] == ["GET"]


@pytest.mark.parametrize("hours", [0, 1, 22.9])
async def test_within_the_horizon_a_dead_workers_key_is_repeated(world: InMemoryExecutor, hours):
    record = world.send(command())
    with pytest.raises(WorkerDiedError):
        await world.run(dies(world, after=True))
    world.advance(int(hours * 3_600_000))
    world.put_back(record)
    await world.run()
    succeeded_once(world)
    assert len(world.posts) == 2


@pytest.mark.parametrize("then", [{"status": 403}, {"status": 400, "body": GATEWAY}, {"status": 429, "times": 6}])
async def test_an_indecisive_refusal_fails_no_dead_workers_call(world: InMemoryExecutor, then):
    record = world.send(command())
    with pytest.raises(WorkerDiedError):
        await world.run(dies(world, after=True))
    world.fault(**then, method="POST")
    world.put_back(record)
    await world.run()
    assert len(world.effects) == 1
    assert world.only_result()["status"] != "failed"


async def test_a_replay_of_what_was_found_like_this_changes_nothing(world: InMemoryExecutor):
    record = world.send(command())
    with pytest.raises(WorkerDiedError):
        await world.run(dies(world, after=True))
    world.fault(status=403)
    world.put_back(record)
    await world.run()
    world.send(command(), headers=((h.REPLAY, b"{}"),))
    await world.run()
    assert [(result["status"], result["revision"]) for result in world.results] == [("succeeded", 0)]
    assert len(world.effects) == 1
