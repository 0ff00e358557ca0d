"""The key behind a connection changes to another account at any moment: one account, and one effect, per command."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stripeline.contracts.vocabulary import Code
from stripeline.workers.executor.connection.key_owner import KNOWN_BY_ALL_MS, MAX_AGE_MS
from tests.support.two_accounts import A, B, World

HOUR_MS = 3_600_000
FAULTS = ["ok", "429", "402", "500 stored", "lost after", "lost before"]
ACCOUNTS = st.sampled_from([A, B])


def named(name, *arguments):
    return st.tuples(st.just(name), *arguments)


STEPS = st.one_of(
    named("append"), named("take"), named("take"), named("send", st.sampled_from(FAULTS)),
    named("send", st.sampled_from(FAULTS)), named("send_and_die", st.sampled_from(FAULTS)), named("freeze"),
    named("thaw", st.sampled_from(FAULTS)), named("change", ACCOUNTS), named("change_account", ACCOUNTS),
    named("change_key", ACCOUNTS), named("read_control"), named("replay"), named("webhook", ACCOUNTS),
    named("pass_time", st.sampled_from([1, 5_000, MAX_AGE_MS + 1, KNOWN_BY_ALL_MS, HOUR_MS, 25 * HOUR_MS])),
)  # fmt: skip


def carried_out(world, step):
    """One step. A key is never changed without its account's record before it, as `apply` writes them."""
    name, *arguments = step
    match name:
        case "change":
            (account,) = arguments
            if world.control.definitions.accounts["acme"].account != account:
                world.change_account(account)
            world.change_key(account)
        case "change_account" if world.control.definitions.accounts["acme"].account == arguments[0]:
            return
        case "change_key" if world.control.definitions.accounts["acme"].account != arguments[0]:
            return
        case _:
            getattr(world, name)(*arguments)


def work_off(world, *, limit=400):
    """All that waits, to its end, with a Stripe that answers."""
    for _ in range(limit):
        world.read_control()
        world.take()
        world.send("ok")


def holds(world):
    for name in world.names:
        assert world.effects_of(name) <= 1, f"{name} was done {world.effects_of(name)} times"
        assert len(world.accounts_of(name)) == 1, f"{name} was attempted at {world.accounts_of(name)}"


LOST_AT_A = [("append",), ("take",), ("send", "lost after")]
TO_B = [("change", B), ("read_control",)]
ON = [("take",), ("send", "ok")]
LATER_AT_B = [("change", B), ("pass_time", KNOWN_BY_ALL_MS), ("append",), ("take",)]
HALFWAY = [("change_account", B), ("pass_time", KNOWN_BY_ALL_MS), ("append",), ("read_control",), ("take",)]


@settings(max_examples=400, deadline=None)
@given(st.lists(STEPS, max_size=40))
@example([*LOST_AT_A, *TO_B, *ON])  # between attempts
@example([("append",), ("take",), *TO_B, ("send", "ok"), *ON])  # before the first attempt is sent
@example([("append",), ("take",), ("send_and_die", "lost after"), *TO_B, *ON])  # after a crash
@example([("append",), ("take",), ("freeze",), *TO_B, ("thaw", "ok"), *ON])  # of a worker that is not dead
@example([*LOST_AT_A * 6, ("take",), ("send", "ok"), *TO_B, *ON, ("replay",), *ON, *ON])  # before a replay
@example([("append",), ("take",), ("change_account", B), ("read_control",), ("send", "ok"), *ON])  # halfway
@example([*LOST_AT_A, ("take",), *TO_B, ("send", "ok")])  # between a decision and its call
@example([*LATER_AT_B, ("send_and_die", "lost after"), *ON])  # and nobody told the worker that calls
@example([*HALFWAY, ("send", "lost after"), ("change_key", B), ("read_control",), *ON])  # while the change is written
def test_no_command_is_attempted_at_two_accounts(steps):
    world = World()
    for step in steps:
        carried_out(world, step)
        holds(world)
    if world.control.definitions.connections["acme"].secret_key.split(":")[1] != (
        world.control.definitions.accounts["acme"].account
    ):
        carried_out(world, ("change", world.control.definitions.accounts["acme"].account))
    work_off(world)
    holds(world)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=30), st.data())
def test_a_rolled_key_of_the_same_account_goes_on(steps, data):
    """Wherever the roll falls: no pause, no word, and what was lost is found again."""
    world = World()
    for step in steps:
        if step[0].startswith("change"):
            world.control.write_key(A, roll=data.draw(st.integers(1, 5)))
        elif step != ("webhook", B):
            carried_out(world, step)
    world.read_control()
    work_off(world)
    assert {result["error"]["code"] for result in world.results if result["error"]} <= {
        Code.INDETERMINATE, Code.PAYMENT_REQUIRED, Code.RATE_LIMITED, Code.PROVIDER_ERROR,
    }  # fmt: skip
    holds(world)


def ended(*steps):
    """The results after these steps, and all that follows."""
    world = World()
    for step in steps:
        carried_out(world, step)
    work_off(world, limit=20)
    return world


def test_what_may_have_been_done_elsewhere_says_where_to_look():
    world = ended(*LOST_AT_A, *TO_B)
    (result,), ((letter, _),) = world.results, world.dead
    assert (result["status"], result["error"]["code"]) == ("indeterminate", "ACCOUNT_CHANGED")
    assert f"at account {A} (test mode): look there" in result["error"]["message"]
    headers = dict(letter.headers)
    assert (headers["stripeline-reason"], headers["stripeline-code"]) == (b"account_changed", b"ACCOUNT_CHANGED")
    assert (world.stripe[A].made, world.stripe[B].posted) == (["c0"], [])


def test_what_was_never_attempted_fails_and_is_done_nowhere():
    world = ended(("append",), *TO_B)
    (result,) = world.results
    assert (result["status"], result["error"]["code"]) == ("failed", "ACCOUNT_CHANGED")
    assert "not attempted there" in result["error"]["message"]
    assert world.names == set()


def test_a_replay_ends_as_before_however_often():
    world = ended(*LOST_AT_A, *TO_B)
    for _ in range(2):
        world.replay()
        work_off(world, limit=5)
    assert [(result["revision"], result["error"]["code"]) for result in world.results] == [
        (0, "ACCOUNT_CHANGED"), (1, "ACCOUNT_CHANGED"), (2, "ACCOUNT_CHANGED"),
    ]  # fmt: skip
    assert world.stripe[B].posted == []


def test_a_webhook_of_the_former_account_settles_nothing():
    world = ended(*LOST_AT_A, *TO_B, *ON, ("webhook", A), *ON)
    assert [result["status"] for result in world.results] == ["indeterminate"]


def test_new_commands_are_done_at_the_new_account():
    world = ended(*TO_B, a_while(), ("read_control",), ("append",))
    assert [result["status"] for result in world.results] == ["succeeded"]
    assert world.stripe[B].made == ["c0"]


def a_while():
    return ("pass_time", KNOWN_BY_ALL_MS)


def test_commands_go_on_when_the_first_account_is_back():
    """The ledger knows where each was attempted, and nothing was attempted elsewhere meanwhile."""
    world = ended(*LOST_AT_A, ("change", B), ("change", A), ("read_control",))
    assert [result["status"] for result in world.results] == ["succeeded"]
    assert world.stripe[A].made == ["c0"]


def test_no_call_is_made_with_definitions_that_are_old():
    world = World()
    world.append()
    world.pass_time(MAX_AGE_MS + 1)
    world.take()
    assert world.worker.call is None
    world.read_control()
    world.take()
    assert world.worker.call is not None
    world.pass_time(MAX_AGE_MS + 1)
    world.send("ok")
    assert world.names == set()


def test_a_command_waits_while_the_key_is_still_the_former_one():
    world = World()
    carried_out(world, ("change_account", B))
    world.pass_time(KNOWN_BY_ALL_MS)
    world.append()
    world.read_control()
    world.take()
    assert (world.worker.call, world.results, len(world.waiting)) == (None, [], 1)
    carried_out(world, ("change_key", B))
    work_off(world, limit=5)
    assert world.stripe[B].made == ["c0"]
