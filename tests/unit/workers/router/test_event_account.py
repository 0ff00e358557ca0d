"""G03: whose account a step acts for."""

import orjson
import pytest

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import encode
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from tests.support.records import event, event_record, installation

PLATFORM, CONNECTED, OTHER = "acct_1Plat00", "acct_1Conn01", "acct_1Other9"
ORGANISATION = "org_6S2/acct_1Org02"


def step(**fields):
    return {"id": "find", "action": "stripe/retrieve-charge", "input": {"id": "=data.id"}, **fields}


def decided(sent, *steps, own=PLATFORM):
    """The decision, the run and its first command."""
    workflow = Workflow.model_validate({"trigger": "acme-payments", "steps": steps})
    router = Router(
        topics=Topics(),
        installation=installation,
        workflows=lambda _: {"w": workflow},
        partitions=8,
        account={"acme": own}.get,
    )
    decision = router.take(Runs(), event_record(event(**sent)), 1_000_000)
    (change,) = decision.changes
    commands = [orjson.loads(output.value) for output in decision.outputs]
    return decision.verdict, orjson.loads(encode(change.record)), commands[0] if commands else None


@pytest.mark.parametrize(
    ("sent", "own", "acts_for"),
    [
        ({"account": CONNECTED}, PLATFORM, CONNECTED),
        ({"account": CONNECTED, "context": CONNECTED}, PLATFORM, CONNECTED),
        ({"account": CONNECTED, "context": ORGANISATION}, PLATFORM, CONNECTED),
        ({"context": CONNECTED}, PLATFORM, CONNECTED),
        ({"account": PLATFORM}, PLATFORM, None),
        ({"context": PLATFORM}, PLATFORM, None),
        ({"account": CONNECTED}, None, CONNECTED),
        ({}, PLATFORM, None),
        ({"account": None, "context": ""}, PLATFORM, None),
    ],
)
def test_a_step_acts_for_the_account_of_its_event(sent, own, acts_for):
    verdict, run, command = decided(sent, step(), own=own)
    assert (verdict, command.get("account")) == (Verdict.STARTED, acts_for)
    assert run.get("account") == (sent.get("account") or sent.get("context") or None)


@pytest.mark.parametrize(
    ("fields", "acts_for"),
    [
        ({"account": "self"}, None),
        ({"account": OTHER}, OTHER),
        ({"connection": "acme"}, CONNECTED),
        ({"connection": "other"}, None),
        ({"connection": "other", "account": OTHER}, OTHER),
        ({"connection": "acme", "account": "self"}, None),
    ],
)
def test_a_step_may_name_another_account(fields, acts_for):
    _, _, command = decided({"account": CONNECTED}, step(**fields))
    assert command.get("account") == acts_for


@pytest.mark.parametrize("named", [{"context": ORGANISATION}, {"context": "org_1"}, {"account": "x"}, {"context": 7}])
def test_an_event_of_no_single_account_calls_nothing(named):
    verdict, run, command = decided(named, step())
    assert (verdict, command, run["status"]) == (Verdict.STARTED, None, "stopped")
    assert run["error"]["code"] == "VALIDATION_ERROR"
    assert "is no single account" in run["error"]["message"]
    assert "account" not in run


@pytest.mark.parametrize("fields", [{"account": "self"}, {"account": OTHER}, {"connection": "other"}])
def test_it_goes_on_where_each_step_says_its_account(fields):
    assert decided({"context": ORGANISATION}, step(**fields))[2] is not None


def test_every_step_has_its_own_account():
    _, run, _ = decided({"account": CONNECTED}, step(), step(id="second", account="self"))
    assert [one.get("account") for one in run["definition"]] == [CONNECTED, None]


@pytest.mark.parametrize("mode", [True, False, None])
def test_a_command_has_the_mode_of_its_event(mode):
    _, _, command = decided({"livemode": mode}, step())
    assert command.get("livemode") is mode
