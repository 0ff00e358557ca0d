"""The parts of a connection: as a look at all definitions finds them, after any change."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.operator.control_records import ConnectionAccount, KeyRefusal, Pause
from stripeline.contracts.operator.stripe_side_records import Destinations
from stripeline.deploy.runtime.derived.connection_parts import ConnectionParts

NAMES = ("a", "b", "c")
KEY = Connection(secret_key="sealed:x", mode="test", hint="sk")
ACCOUNT = ConnectionAccount(account="acct_1", mode="test")
REFUSAL, PAUSE = KeyRefusal(key_name="k", since_ms=1), Pause(by="ada", why="w", at_ms=1)
NONE_MADE = Destinations(destinations=())


def trigger(connection: str) -> Trigger:
    return Trigger(kind="stripe/charge-event", connection=connection)


def endpoint(connection: str) -> Endpoint:
    return Endpoint(connection=connection, triggers=("a",), url="https://x.example.com")


def workflow(of: str) -> Workflow:
    return Workflow.model_validate({"trigger": of, "steps": [{"id": "s", "action": "a"}]})


def some(keys: list[str], value: object) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(keys), st.just(value))


def named(make: object) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(NAMES), st.sampled_from(NAMES).map(make))


DEFINITIONS = st.builds(
    Definitions,
    connections=some([*NAMES], KEY),
    triggers=named(trigger),
    endpoints=named(endpoint),
    workflows=named(workflow),
    accounts=some([*NAMES], ACCOUNT),
    pauses=some([*(f"connection/{name}" for name in NAMES), "workflow/a"], PAUSE),
    key_refusals=some([*NAMES, "a/acct_1"], REFUSAL),
    destinations=some([*NAMES], NONE_MADE),
)


def own(every: Definitions, name: str) -> Definitions:
    """The same by a look at everything."""
    triggers = {one: held for one, held in every.triggers.items() if held.connection == name}
    endpoints = {one: held for one, held in every.endpoints.items() if held.connection == name}
    return Definitions(
        connections={one: held for one, held in every.connections.items() if one == name},
        triggers=triggers,
        endpoints=endpoints,
        workflows={one: held for one, held in every.workflows.items() if held.trigger in triggers},
        accounts={one: held for one, held in every.accounts.items() if one == name},
        pauses={one: held for one, held in every.pauses.items() if one == f"connection/{name}"},
        key_refusals={one: held for one, held in every.key_refusals.items() if one.split("/")[0] == name},
        destinations={one: held for one, held in every.destinations.items() if one in endpoints},
    )


@given(st.lists(DEFINITIONS, max_size=5))
def test_parts_are_what_a_look_at_everything_finds(versions):
    parts, before = ConnectionParts(), Definitions()
    for now in versions:
        changed = parts.changed(now)
        assert {name: parts.of(name) for name in NAMES} == {name: own(now, name) for name in NAMES}
        assert {name for name in NAMES if own(before, name) != own(now, name)} <= changed
        assert parts.changed(now) == set()
        before = now


def test_a_change_is_of_its_connection_alone():
    parts = ConnectionParts()
    first = Definitions(
        connections={"a": KEY, "b": KEY},
        triggers={"a": trigger("a"), "b": trigger("b")},
        workflows={"a": workflow("a")},
    )
    assert parts.changed(first) == {"a", "b"}
    second = Definitions(connections=first.connections, triggers=first.triggers, workflows={"a": workflow("b")})
    assert parts.changed(second) == {"a", "b"}
    third = Definitions(connections=first.connections, triggers=first.triggers, workflows={"a": workflow("b")})
    assert parts.changed(third) == {"b"}
