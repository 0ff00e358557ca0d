"""The difference names each field that changes; a secret only as replaced, added or removed."""

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import AnyDefinition, Connection, Step, Trigger, Workflow
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


def test_a_value_of_another_owner_is_one_line_without_secrets() -> None:
    before = Workflow(trigger="t", where="data.a\n+ connection/b", steps=(ONE,))
    after = Workflow(trigger="t", steps=(ONE.model_copy(update={"input": {"name": "sk_live_1234567890abcdef"}}),))
    assert fields(before, after)[1] == 'where: "data.a\\n+ connection/b" → none'
    (change,) = diff({"workflow/y": before}, {"workflow/y": after})
    assert "1234567890" not in str(change.row())


def test_a_change_has_the_lines_of_its_fields() -> None:
    after = Workflow(trigger="t", where="false", steps=(ONE, TWO.model_copy(update={"account": "self"})))
    lines = {("workflows", "y", "where"): 7, ("workflows", "y", "steps", 1, "account"): 9, ("workflows", "y"): 5}
    before = Workflow(trigger="t", where="true", steps=(ONE, TWO))
    (change,) = diff({"workflow/y": before}, {"workflow/y": after}, lines=lines.get)
    assert [(one.field, one.line) for one in change.fields] == [("steps.two.account", 9), ("where", 7)]
    assert change.row()["line"] == 5


def test_signing_secrets_are_counted() -> None:
    assert fields(trigger("1", "2"), trigger("2", "3", "4")) == ("signing_secrets: 2 added, 1 removed, 1 kept",)
    assert fields(trigger("1", "2"), trigger("2", "1")) == ("signing_secrets: in another order",)
    assert fields(trigger(), trigger("1")) == ("signing_secrets: 1 added, 0 removed, 0 kept",)
    assert fields(trigger("1"), trigger("1")) == ()
