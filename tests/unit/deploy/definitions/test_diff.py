"""The difference names each field that changes; a secret only as replaced, added or removed."""

from stripeline.contracts.definitions import AnyDefinition, Connection, Rate, Step, Trigger, Workflow
from stripeline.contracts.limits import HourlyLimits
from stripeline.deploy.definitions.diff import diff, publication

ONE = Step(id="one", action="stripe/create-customer", input={"name": "Ada"})
TWO = Step(id="two", action="stripe/create-customer")


def connection(secret: str = "sealed:v1:k:1", rate: Rate | None = None, **more: object) -> Connection:
    return Connection(secret_key=secret, mode="test", hint="sk_test_…1234", rate=rate, **more)


def trigger(*secrets: str) -> Trigger:
    return Trigger(
        kind="stripe/charge-event", connection="a", signing_secrets=tuple(f"sealed:v1:k:{s}" for s in secrets)
    )


def fields(before: AnyDefinition, after: AnyDefinition) -> tuple[str, ...]:
    (change,) = diff({"workflow/y": before}, {"workflow/y": after})
    return tuple(map(str, change.fields))


def test_what_is_new_is_added_and_what_is_equal_stays() -> None:
    wanted: dict[str, AnyDefinition] = {"connection/a": connection(), "connection/b": connection()}
    changes = diff({"connection/a": connection()}, wanted)
    assert [(change.what, change.key) for change in changes] == [
        ("unchanged", "connection/a"),
        ("added", "connection/b"),
    ]
    assert list(publication(changes, wanted)) == ["connection/b"]


def test_pruning_deletes_what_is_left_out_its_users_first() -> None:
    stored: dict[str, AnyDefinition] = {"connection/a": connection(), "trigger/t": trigger()}
    assert diff(stored, {}) == []
    changes = diff(stored, {}, removed=stored)
    assert [(change.what, change.key) for change in changes] == [("removed", "trigger/t"), ("removed", "connection/a")]
    assert publication(changes, {}) == {"trigger/t": None, "connection/a": None}


def test_a_replaced_secret_key_is_not_shown() -> None:
    assert fields(connection(), connection("sealed:v1:k:2")) == ("secret_key: replaced",)


def test_fields_are_named_with_both_values() -> None:
    assert fields(connection(rate=Rate(account=100)), connection()) == ("rate.account: 100.0 → none",)
    limited = connection(limits=HourlyLimits(amount={"eur": 500}), commands="own")
    assert fields(connection(), limited) == ("commands: none → own", "limits.amount.eur: none → 500")
    before = Workflow(trigger="t", where="true", steps=(ONE, TWO))
    after = Workflow(trigger="t", steps=(TWO, ONE.model_copy(update={"input": {"name": "Eve"}})))
    assert fields(before, after) == (
        "step order: one, two → two, one",
        "steps.one.input.name: Ada → Eve",
        "where: true → none",
    )


def test_signing_secrets_are_counted() -> None:
    assert fields(trigger("1", "2"), trigger("2", "3", "4")) == ("signing_secrets: 2 added, 1 removed, 1 kept",)
    assert fields(trigger("1", "2"), trigger("2", "1")) == ("signing_secrets: in another order",)
    assert fields(trigger(), trigger("1")) == ("signing_secrets: 1 added, 0 removed, 0 kept",)
    assert fields(trigger("1"), trigger("1")) == ()
