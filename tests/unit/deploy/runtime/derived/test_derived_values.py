"""What is worked out of definitions: once each, again when one changes, and never for what did not change."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.definitions import Connection, Definitions, Trigger, Workflow
from stripeline.deploy.runtime.derived.changed_names import changed_names
from stripeline.deploy.runtime.derived.derived_values import DerivedValues
from stripeline.deploy.runtime.derived.secret_checks import SealedSecrets, SecretChecks
from stripeline.deploy.runtime.derived.selections import Selections
from stripeline.workers.secrets.vault import VaultError

TABLES = st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y", ""])), max_size=6)


@given(TABLES)
def test_values_are_those_of_the_definitions_now(tables):
    asked: list[tuple[str, str]] = []

    def of(name: str, one: str) -> str | None:
        asked.append((name, one))
        return one + name if one else None

    values, before = DerivedValues(of), {}
    for now in tables:
        asked.clear()
        assert dict(values.of(now)) == {name: one + name for name, one in now.items() if one}
        assert {name for name, _ in asked} == {name for name in now if name in changed_names(before, now)}
        values.of(now)
        before = now


def test_a_changed_name_is_new_gone_or_of_another_object():
    first, second = Trigger(kind="stripe/charge-event", connection="a"), Trigger(
        kind="stripe/charge-event", connection="b"
    )  # fmt: skip
    assert changed_names({"a": first, "b": first}, {"a": first, "b": second, "c": first}) == {"b", "c"}
    assert changed_names({"a": first}, {}) == {"a"}


def checks(tried: list[str]) -> SecretChecks:
    def why_closed(_: str, text: str) -> VaultError | None:
        tried.append(text)
        return VaultError("it does") if text.startswith("closed") else None

    return SecretChecks(
        "secrets", lambda now: (now.triggers,),
        lambda now, name: SealedSecrets(name, now.triggers[name].signing_secrets) if name in now.triggers else None,
        why_closed,
    )  # fmt: skip


def with_secrets(**texts: str) -> Definitions:
    return Definitions(
        triggers={
            name: Trigger(kind="stripe/charge-event", connection="a", signing_secrets=(f"sealed:{text}",)).model_copy(
                update={"signing_secrets": (text,)}
            )
            for name, text in texts.items()
        }
    )


def test_each_secret_is_tried_once_and_again_when_it_changes():
    tried: list[str] = []
    found, closed = checks(tried), with_secrets(pay="closed-1", cards="closed-2")
    assert "pay (damaged)" in str(found.missing(closed))
    assert (found.warnings(closed), sorted(tried)) == (None, ["closed-1", "closed-2"])
    mended = Definitions(triggers={**closed.triggers, **with_secrets(pay="open").triggers})
    assert "cards (damaged)" in str(found.warnings(mended))
    assert (found.missing(mended), tried[2:]) == (None, ["open"])
    gone = Definitions(triggers={"pay": mended.triggers["pay"]})
    assert (found.missing(gone), found.warnings(gone), len(tried)) == (None, None, 3)


def test_selections_have_the_few_that_say_so():
    plain = Connection(secret_key="sealed:v1:k:x", mode="test", hint="…")
    limited = plain.model_copy(update={"limits": object()})
    flow = Workflow.model_validate({"trigger": "t", "steps": [{"id": "s", "action": "a"}]})
    found = Selections(
        Definitions(
            connections={"plain": plain, "limited": limited, "own": plain.model_copy(update={"commands": "own"})},
            triggers={
                payload: Trigger(kind="stripe/charge-event", connection="a", payload=payload)
                for payload in ("snapshot", "thin", "both")
            },
            workflows={"free": flow, "limited": flow.model_copy(update={"limit": "10/h"})},
        )
    )
    assert [*found.limited_connections()] == ["limited"]
    assert [*found.own_connections()] == ["own"]
    assert sorted(found.thin_triggers()) == ["both", "thin"]
    assert [*found.limited_workflows()] == ["limited"]
