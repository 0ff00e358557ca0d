"""The waiting command of a cancelled run ends without an attempt, unless it was attempted."""

from msgspec.structs import replace

from stripeline.workers.executor.connection.key_owner import KeyOwner
from tests.support.retry_world import RetryWorld


def held(world: RetryWorld, why: str | None) -> None:
    """Its connection's key may not be used for now, or may again."""
    owner = KeyOwner(mode="test", account="acct_1Acme", held=why)
    world.executor = replace(world.executor, setup=replace(world.executor.setup, owner=lambda _: owner))


def test_a_command_that_was_never_attempted_is_withdrawn():
    world = RetryWorld()
    held(world, "waits")
    world.route("event")
    world.take(tier=False)
    world.asked("cancel")
    world.take(tier=False)
    held(world, None)
    world.drain()
    (result,) = world.results
    assert (result["error"]["code"], world.posted) == ("CANCELLED", [])
    assert (world.run.status, world.run.steps[0].error.code) == ("cancelled", "CANCELLED")


def test_a_command_that_was_attempted_ends_as_it_ends():
    world = RetryWorld()
    world.route("event")
    world.work("429")
    world.asked("cancel")
    world.drain()
    assert (world.made, world.run.status) == (["evt_1:thanks:one"], "cancelled")
    assert world.run.steps[0].status == "succeeded"


def test_where_a_worker_died_in_between_it_is_looked_up_first():
    world = RetryWorld()
    held(world, "waits")
    world.route("event")
    world.take(tier=False)
    world.asked("cancel")
    world.take(tier=False)
    world.die()
    held(world, None)
    world.drain()
    assert (world.results[0]["error"]["code"], world.posted) == ("CANCELLED", [])
