"""Only the same owner changes or prunes a definition, and what a removal means is said."""

import pytest

from stripeline.contracts.definitions import AnyDefinition, Connection, Definitions, Step, Trigger, Workflow
from stripeline.deploy.definitions.ownership import claimed, owned, pruning, renamed, still_used, without
from stripeline.deploy.definitions.removal import consequences


def connection(owner: str | None = None) -> Connection:
    return Connection(secret_key="sealed:v1:k:1", mode="test", hint="sk_test_…1234", owner=owner)


def trigger(connection: str = "a", owner: str | None = None) -> Trigger:
    return Trigger(kind="stripe/charge-event", connection=connection, owner=owner)


def workflow(trigger: str = "t", owner: str | None = None) -> Workflow:
    return Workflow(trigger=trigger, steps=(Step(id="s", action="stripe/create-customer"),), owner=owner)


STORED: dict[str, AnyDefinition] = {
    "connection/a": connection("me"), "connection/b": connection("you"), "connection/c": connection(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "removed", "others"),
    [
        ("me", ("connection/a",), {"connection/b": "you", "connection/c": None}),
        ("you", ("connection/b",), {"connection/a": "me", "connection/c": None}),
        (None, ("connection/c",), {"connection/a": "me", "connection/b": "you"}),
        ("new", (), {"connection/a": "me", "connection/b": "you", "connection/c": None}),
    ],
)
def test_only_the_same_owners_are_pruned(
    owner: str | None, removed: tuple[str, ...], others: dict[str, str | None]
) -> None:
    found = pruning(STORED, {"connection/new"}, owner)
    assert (found.removed, found.others) == (removed, others)


def test_a_file_that_defines_nothing_prunes_nothing() -> None:
    assert pruning(STORED, set(), "me").removed == ()


def test_what_the_file_has_is_not_pruned() -> None:
    assert pruning(STORED, {"connection/a"}, "me").removed == ()


@pytest.mark.parametrize(
    ("owner", "take_over", "claims"),
    [("me", False, 1), ("you", False, 1), (None, False, 2), ("me", True, 0), (None, True, 0)],
)
def test_anothers_definition_is_claimed_by_taking_over(owner: str | None, take_over: bool, claims: int) -> None:
    wanted = {**STORED, "connection/new": connection()}
    found = list(claimed(STORED, wanted, owner, take_over=take_over))
    assert len(found) == claims
    assert all("--take-over" in one.reason for one in found)


def test_what_is_published_has_the_owner() -> None:
    assert {one.owner for one in owned(STORED, "team").values()} == {"team"}


def test_what_others_use_can_not_be_removed() -> None:
    stored = Definitions(connections={"a": connection()}, triggers={"t": trigger()}, workflows={"w": workflow()})
    removed = ["connection/a", "trigger/t"]
    assert list(still_used(stored, {}, removed)) == ["trigger/t is in use by workflow w, which stay"]
    assert list(still_used(stored, {}, [*removed, "workflow/w"])) == []
    moved = {"workflow/w": workflow("other")}
    assert list(still_used(stored, moved, removed)) == []
    assert sorted(without(stored, removed).by_key()) == ["workflow/w"]


def test_a_new_trigger_like_one_that_is_left_out_is_a_renaming() -> None:
    stored = {"old": trigger(), "other": trigger("b")}
    assert list(renamed(stored, {"new": trigger()})) == [("old", "new")]
    assert list(renamed(stored, {"new": trigger(), "old": trigger()})) == []
    assert list(renamed(stored, {"old": trigger()})) == []


def test_a_removal_says_what_it_means() -> None:
    lines = list(
        consequences(
            ["workflow/w", "workflow/v", "trigger/t", "trigger/u", "connection/a"], {"workflow/w": 3},
            {"workflow/w": "me"}, {"t": "new"},
        )
    )  # fmt: skip
    assert lines[0] == (
        "workflow/w (of me): its events start no more runs; runs in progress keep the steps they started with"
        " (3 of their commands wait)"
    )
    assert lines[1].endswith("the steps they started with")
    assert lines[2].startswith("trigger/t: /webhooks/t will be answered 404")
    assert lines[2].endswith("give Stripe the URL of /webhooks/new first")
    assert lines[3].endswith("are lost after 3 days")
    assert lines[4] == "connection/a: its key is deleted here; no command waits for it"
