"""What an installed package may add as an action, and how a faulty one is refused."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stripeline.contracts.action import Action
from stripeline.workers.actions import built_in_actions
from stripeline.workers.installed_actions import MAX_KEY, ActionsError, installed_actions

OWN = built_in_actions()
CREATE = replace(OWN["stripe/create-customer"], key="acme/create-refund", path="/v1/refunds", makes="refund")
RETRIEVE = replace(OWN["stripe/retrieve-charge"], key="acme/retrieve-refund", path="/v1/refunds/{id}")


class Given(EntryPoint):
    """An entry point whose object is given, as if it had been imported."""

    def load(self) -> Any:
        return FOUND[self.name]


FOUND: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def nothing_found():
    FOUND.clear()


def entry_points(**found: Any) -> Iterable[EntryPoint]:
    FOUND.update(found)
    return [Given(name, f"acme_actions.{name}:ACTION", "stripeline.actions") for name in found]


def refused(**found: Any) -> str:
    with pytest.raises(ActionsError) as error:
        installed_actions(OWN, entry_points(**found))
    return str(error.value)


def test_actions_are_found_by_their_keys_in_order():
    found = installed_actions(OWN, entry_points(b=RETRIEVE, a=CREATE))
    assert list(found.items()) == [("acme/create-refund", CREATE), ("acme/retrieve-refund", RETRIEVE)]


def test_without_entry_points_there_are_none():
    assert installed_actions(OWN, []) == {}


KEYS = [
    "create-refund", "acme/refund", "acme/create_refund", "Acme/create-refund", "acme/create-refund/now",
    "acme/-refund", "acme/create-", "/create-refund", "acme/create-refund\n", "", "a/b-" + "c" * MAX_KEY, None,
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_another_form_is_refused(key):
    assert f"has the key {key!r}: it must be like acme/create-refund" in refused(a=replace(CREATE, key=key))


def test_the_longest_key_is_taken():
    key = "acme/create-".ljust(MAX_KEY, "x")
    assert list(installed_actions(OWN, entry_points(a=replace(CREATE, key=key)))) == [key]


def test_stripes_namespace_is_reserved():
    assert "stripe/ is Stripeline's own namespace" in refused(a=replace(CREATE, key="stripe/create-refund"))


def test_a_key_that_is_there_twice_is_refused():
    said = refused(a=CREATE, b=CREATE)
    assert "b = acme_actions.b:ACTION has the key 'acme/create-refund', which another package has as well" in said
    assert "a = " not in said


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"method": "DELETE"}, "has the method 'DELETE': it must be GET or POST"),
        ({"path": "/v2/refunds"}, "has the path '/v2/refunds': it must be one of Stripe's"),
        ({"path": "https://example.com/v1/refunds"}, "it must be one of Stripe's"),
        ({"path": "/v1/../refunds"}, "it must be one of Stripe's"),
        ({"path": "/v1/refunds/{id}/cancel"}, "a POST must create an object"),
        ({"input": dict}, "has an input that is not a class derived from ActionInput"),
        ({"output": CREATE.input}, "has an output that is not a class derived from ActionOutput"),
        ({"output": None}, "has an output that is not a class derived from ActionOutput"),
        ({"statuses": frozenset({400, 418})}, "lists the statuses [418]: the error table has [400, 401,"),
        ({"method": "GET", "path": "/v1/refunds/{id}"}, "has {id} in its path, and no input of that name"),
    ],
)
def test_an_action_of_another_shape_is_refused(fields, fault):
    assert fault in refused(a=replace(CREATE, **fields))


def test_what_is_no_action_is_refused():
    assert "a = acme_actions.a:ACTION is of type dict: it must be an Action" in refused(a={"key": "acme/create-refund"})


def test_every_fault_is_named_at_once():
    said = refused(a={}, b=replace(CREATE, key="refund", method="PUT"), c=CREATE)
    assert all(fault in said for fault in ("of type dict", "'refund'", "'PUT'"))
    assert said.endswith("Nothing runs without them: upgrade these packages, or uninstall them.")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("ACTIONS = []", "AttributeError: module 'broken_actions' has no attribute 'ACTION'"),
    ],
)
def test_a_broken_import_names_the_distribution(tmp_path: Path, monkeypatch, source, reason):
    (tmp_path / "broken_actions.py").write_text(source)
    info = tmp_path / "broken-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[stripeline.actions]\nmake-it = broken_actions:ACTION\n")
    monkeypatch.syspath_prepend(tmp_path)
    [distribution] = distributions(path=[str(tmp_path)])
    with pytest.raises(ActionsError) as error:
        installed_actions(OWN, distribution.entry_points)
    assert f"broken 1.2: make-it = broken_actions:ACTION can't be imported: {reason}." in str(error.value)


def test_our_own_actions_keep_the_same_rules():
    own = {name: replace(action, key=action.key.replace("stripe/", "acme/")) for name, action in OWN.items()}
    assert all(isinstance(action, Action) for action in own.values())
    assert len(installed_actions({}, entry_points(**own))) == len(OWN)
