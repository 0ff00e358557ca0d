"""A fourth action and a fourth family cost one file each: nothing else changes, and everything sees them."""

import sys

import orjson
import pytest

import stripeline.contracts.families
import stripeline.workers.actions
from stripeline.contracts.families import families, family_of
from stripeline.contracts.topics import Topics
from stripeline.workers.actions import actions, built_in_actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from tests.support.records import Record, command, installation, owner_of_acme

ACTION = '''
"""`stripe/retrieve-refund`."""

from stripeline.contracts.action import Action, ActionInput, ActionOutput


class Input(ActionInput):
    id: str


class Output(ActionOutput):
    id: str
    status: str


ACTION = Action(
    key="stripe/retrieve-refund", method="GET", path="/v1/refunds/{id}", makes="refund", input=Input, output=Output,
    statuses=frozenset({401, 404, 429, 500}),
)
'''
FAMILY = '''
"""`invoice.*`."""

from stripeline.contracts.families import Family, text

FAMILY = Family(kind="stripe/invoice-event", prefix="invoice.", subject=lambda data: text(data.get("id")))
'''


@pytest.fixture
def one_file(tmp_path, monkeypatch):
    """Put one module file into a package, as if it lay in the package's folder; gone again after the test."""
    added, caches = [], (actions, built_in_actions, families)

    def add(package, name, source):
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        added.append((package, name))
        for cache in caches:
            cache.cache_clear()

    yield add
    for package, name in added:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def test_a_fourth_action_costs_one_file(one_file):
    one_file(stripeline.workers.actions, "retrieve_refund", ACTION)
    assert len(actions()) == 4
    executor = Executor(setup=Setup(topics=Topics(), installation=installation, actions=actions(), owner=owner_of_acme))
    value = command(action="stripe/retrieve-refund", input={"id": "re_1"})
    record = Record(topic=Topics().command, value=orjson.dumps(value))
    call = executor.take(Ledger(), record, 0)
    assert isinstance(call, Call)
    assert (call.request.method, call.request.path) == ("GET", "/v1/refunds/re_1")
    assert set(call.action.errors) == {401, 404, 429, 500}


def test_a_fourth_family_costs_one_file(one_file):
    one_file(stripeline.contracts.families, "invoice", FAMILY)
    assert len(families()) == 4
    family = family_of("invoice.paid")
    assert family is not None
    assert (family.kind, family.subject({"id": "in_1"})) == ("stripe/invoice-event", "in_1")
    assert "stripe.invoice-event" in Topics().events
    assert "stripe.invoice-event" in [topic.name for topic in Topics().all(4)]


@pytest.mark.parametrize("package", [stripeline.workers.actions, stripeline.contracts.families])
def test_the_packages_are_as_they_were_afterwards(package):
    assert len(package.__path__) == 1
    assert (len(actions()), len(families())) == (3, 3)
    assert {
        "stripeline.workers.actions.retrieve_refund",
        "stripeline.contracts.families.invoice",
    } & sys.modules.keys() == set()
