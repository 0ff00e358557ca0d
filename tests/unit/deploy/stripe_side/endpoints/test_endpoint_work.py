"""The steps are carried out against Stripe in memory; a kill, or a lost answer, leaves working endpoints."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger, parse_definition
from stripeline.contracts.operator.stripe_side_records import Destinations
from stripeline.deploy.failure import FailureError
from stripeline.deploy.stripe_side.endpoints.endpoint_calls import EndpointCalls, destinations_there
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import begun_roll
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import NotDone
from stripeline.deploy.stripe_side.endpoints.endpoint_work import EndpointWork, NoRightError
from stripeline.deploy.stripe_side.endpoints.installation_plans import AccountPlan, account_plans, connections_to_ask
from stripeline.workers.secrets.vault import Vault, endpoint_secret, new_master_key
from tests.support.destinations_stripe import DestinationsStripe, KilledError

VAULT = Vault.from_ring([SecretStr(new_master_key())])
CONNECTION = Connection(secret_key="sealed:x", mode="test", hint="sk_test_…")
TRIGGERS = {
    "pay": Trigger(kind="stripe/payment-event", connection="acme", mode="test"),
    "cards": Trigger(kind="stripe/charge-event", connection="acme", mode="test", payload="both"),
}
SHOP = Endpoint(connection="acme", triggers=("pay", "cards"), url="https://hooks.example.com", mode="test")
KEY = SecretStr("sk_test_1234567890")


class World:
    """One installation, its control topic, and the accounts of its connections."""

    def __init__(self, **definitions: Any) -> None:
        made = {"connections": {"acme": CONNECTION}, "triggers": TRIGGERS, "endpoints": {"shop": SHOP}}
        self.definitions = Definitions(**{**made, **definitions})
        self.stripe: dict[str, DestinationsStripe] = {
            name: DestinationsStripe() for name in self.definitions.connections
        }
        self.said: list[str] = []
        self.write_fails = False

    def work(self) -> EndpointWork:
        async def read() -> Definitions:
            return self.definitions

        async def write(changes: Any) -> None:
            if self.write_fails:
                raise TimeoutError
            for key, value in changes.items():
                held = dict(self.definitions.destinations)
                name = key.partition("/")[2]
                held.pop(name, None)
                if value is not None:
                    record = parse_definition(key, value)
                    assert isinstance(record, Destinations)
                    held[name] = record
                self.definitions = replace(self.definitions, destinations=held)

        calls = {name: EndpointCalls(stripe=one, key=KEY, pauses_s=(0, 0)) for name, one in self.stripe.items()}
        return EndpointWork(vault=VAULT, installation="here", calls=calls, read=read, write=write, say=self.said.append)

    async def plans(self) -> list[AccountPlan]:
        there = {}
        for name in connections_to_ask(self.definitions):
            found = await destinations_there(self.stripe[name].read, KEY)
            assert not isinstance(found, NotDone)
            there[name] = found
        return account_plans(self.definitions, "here", there)

    async def apply(self) -> None:
        plans, work = await self.plans(), self.work()
        for phase in ("made", "gone"):
            for one in plans:
                for step in getattr(one.plan, phase):
                    await work.carry_out(one.connection, step)

    async def roll(self) -> None:
        (plan,) = await self.plans()
        work = self.work()
        for step in begun_roll(plan.state, "shop", plan.wanted["shop"]).steps:
            await work.carry_out("acme", step)
        (plan,) = await self.plans()
        for step in plan.plan.steps:
            await work.carry_out("acme", step)

    def run(self, doing: Any) -> None:
        asyncio.run(doing)

    def secrets(self) -> dict[str, str]:
        """What was recorded, opened."""
        return {
            one.id: VAULT.open(endpoint_secret(name), one.signing_secret).get_secret_value()
            for name, held in self.definitions.destinations.items()
            for one in held.destinations
        }

    def working(self) -> set[str]:
        """The payloads that arrive and are verified."""
        there = {name: one for stripe in self.stripe.values() for name, one in stripe.objects.items()}
        return {
            there[name]["event_payload"]
            for name, secret in self.secrets().items()
            if name in there and there[name]["secret"] == secret and there[name]["status"] == "enabled"
        }

    def whole(self) -> None:
        """Every destination of ours works, and there is one for each payload that is wanted."""
        ours = {
            name: one["secret"]
            for stripe in self.stripe.values()
            for name, one in stripe.objects.items()
            if one["metadata"].get("stripeline_installation") == "here"
        }
        assert ours == self.secrets()
        assert sorted(self.working()) == ["snapshot", "thin"]
        assert len(ours) == 2

    def acme(self) -> DestinationsStripe:
        return self.stripe["acme"]


def test_destinations_are_made_with_what_stripe_documents():
    world = World()
    world.run(world.apply())
    world.whole()
    snapshot, thin = (params for _, _, params in world.acme().asked)
    assert {name: snapshot[name] for name in snapshot if name not in {"description", "enabled_events"}} == {
        "name": "Stripeline shop", "type": "webhook_endpoint", "event_payload": "snapshot", "events_from": ["@self"],
        "webhook_endpoint": {"url": "https://hooks.example.com/webhooks/shop"},
        "metadata": {"stripeline_installation": "here", "stripeline_endpoint": "shop"},
        "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
        "snapshot_api_version": "2026-06-24.dahlia",
    }  # fmt: skip
    assert "payment_intent.succeeded" in snapshot["enabled_events"]
    assert "v1.charge.failed" in thin["enabled_events"]
    assert "snapshot_api_version" not in thin
    assert world.said[0].startswith("+ endpoint shop: create a destination of snapshot events at https://hooks")
    world.said.clear()
    world.run(world.apply())
    assert world.said == []


def test_what_others_have_is_listed_and_left_alone():
    world = World()
    theirs = [world.acme().add_v1() for _ in range(5)]
    world.run(world.apply())
    world.whole()
    assert set(theirs) <= world.acme().objects.keys()
    assert all(method == "POST" for method, _, _ in world.acme().asked)


async def _killed(world: World, at: float, doing: str) -> bool:
    world.acme().asked.clear()
    world.acme().killed_at = at
    try:
        await getattr(world, doing)()
    except KilledError:
        return True
    finally:
        world.acme().killed_at = None
    return False


@pytest.mark.parametrize("doing", ["apply", "roll"])
@pytest.mark.parametrize("half", [0.0, 0.5], ids=["answered", "unsent"])
def test_a_kill_at_any_call_leaves_working_endpoints(doing: str, half: float):
    """apply: of a new API version, so that one takes the place of the other."""
    for number in range(1, 20):
        world = World()
        world.run(world.apply())
        if doing == "apply":
            newer = SHOP.model_copy(update={"api_version": "2026-10-28.endive"})
            world.definitions = replace(world.definitions, endpoints={"shop": newer})
        killed = asyncio.run(_killed(world, number - half, doing))
        assert world.working() == {"snapshot", "thin"}
        if not killed:
            assert number > 2
            return
        world.run(world.apply())
        world.whole()
    pytest.fail("it never ended")


def test_a_kill_between_the_answer_and_the_record_is_made_good():
    world = World()
    world.write_fails = True
    with pytest.raises(TimeoutError):
        world.run(world.apply())
    assert (len(world.acme().objects), world.secrets()) == (1, {})
    world.write_fails = False
    world.run(world.apply())
    world.whole()


def test_a_lost_answer_is_asked_for_again_under_its_key():
    world = World()
    world.acme().lose = {1, 2}
    world.run(world.apply())
    world.whole()
    assert len(world.acme().objects) == 2


def test_an_answer_that_stays_lost_is_cleaned_up_by_the_next_run():
    world = World()
    world.acme().lose = {1, 2, 3}
    with pytest.raises(FailureError, match="the next run deletes it first"):
        world.run(world.apply())
    world.acme().lose.clear()
    world.run(world.apply())
    world.whole()


def test_what_was_recorded_meanwhile_is_not_taken_for_lost():
    world = World()
    world.run(world.apply())
    known = world.definitions
    world.definitions = replace(known, destinations={})
    (plan,) = asyncio.run(world.plans())  # as another command saw it a moment before
    world.definitions = known
    for step in plan.plan.made[:2]:
        world.run(world.work().carry_out("acme", step))
    assert len(world.acme().objects) == 2


def test_nothing_goes_while_what_was_made_is_not_there():
    world = World()
    world.run(world.apply())
    newer = SHOP.model_copy(update={"api_version": "2026-10-28.endive"})
    world.definitions = replace(world.definitions, endpoints={"shop": newer})

    async def taken() -> None:
        (plan,) = await world.plans()
        work = world.work()
        await work.carry_out("acme", plan.plan.made[0])
        world.acme().objects.popitem()
        await work.carry_out("acme", plan.plan.gone[0])

    with pytest.raises(FailureError, match="was made, and is not there now"):
        world.run(taken())
    assert world.working() == {"snapshot", "thin"}


def test_a_key_without_the_right_changes_nothing():
    world = World()
    world.acme().refuse = 403
    with pytest.raises(NoRightError, match="was not made: Stripe answered 403"):
        world.run(world.apply())
    assert world.secrets() == {}


def test_a_disabled_one_is_enabled_and_a_deleted_one_made_again():
    world = World()
    world.run(world.apply())
    first, second = world.acme().objects
    world.acme().objects[first] |= {"status": "disabled", "status_details": {"disabled": {"reason": "user"}}}
    del world.acme().objects[second]
    world.run(world.apply())
    world.whole()
    assert first in world.acme().objects
    assert f"{first}: enable it, which is disabled (user)" in " ".join(world.said)


def test_an_endpoint_of_another_account_is_made_there_first():
    both = {"acme": CONNECTION, "globex": CONNECTION}
    world = World(connections=both)
    world.run(world.apply())
    moved = {name: one.model_copy(update={"connection": "globex"}) for name, one in TRIGGERS.items()}
    world.definitions = replace(
        world.definitions, triggers=moved, endpoints={"shop": SHOP.model_copy(update={"connection": "globex"})}
    )
    world.said.clear()
    world.run(world.apply())
    world.whole()
    assert world.acme().objects == {}
    assert [line[0] for line in world.said] == ["+", "+", "-", "-", "-", "-"]


def test_two_connections_of_one_account_keep_its_destinations():
    world = World(connections={"acme": CONNECTION, "again": CONNECTION})
    world.stripe["again"] = world.acme()
    world.run(world.apply())
    moved = {name: one.model_copy(update={"connection": "again"}) for name, one in TRIGGERS.items()}
    world.definitions = replace(
        world.definitions, triggers=moved, endpoints={"shop": SHOP.model_copy(update={"connection": "again"})}
    )
    assert [one.plan.steps for one in asyncio.run(world.plans())] == [(), ()]


def test_a_deleted_endpoint_leaves_nothing_at_stripe():
    world = World()
    world.run(world.apply())
    world.definitions = replace(world.definitions, endpoints={})
    world.run(world.apply())
    assert (world.acme().objects, world.definitions.destinations) == ({}, {})


def test_a_list_that_is_refused_plans_nothing():
    world = World()
    world.acme().read_status = 403
    found = asyncio.run(destinations_there(world.acme().read, KEY))
    assert isinstance(found, NotDone)
    assert found.right
