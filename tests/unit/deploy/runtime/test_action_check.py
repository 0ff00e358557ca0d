"""An executor knows which workflows use an action that is not installed with it."""

from stripeline.contracts.definitions import Step, Workflow
from stripeline.deploy.runtime.action_check import ActionCheck


def workflow(*actions: str) -> Workflow:
    steps = tuple(Step(id=f"s{number}", action=action) for number, action in enumerate(actions))
    return Workflow(trigger="payments", types=("*",), steps=steps)


WORKFLOWS = {"thanks": workflow("stripe/create-customer"), "refunds": workflow("acme/create-refund", "acme/send-mail")}


def test_nothing_is_missing_when_all_are_installed():
    everything = {"stripe/create-customer", "acme/create-refund", "acme/send-mail"}
    assert ActionCheck(everything, lambda: WORKFLOWS).missing() is None
    assert ActionCheck((), dict).missing() is None


def test_each_workflow_and_action_is_named_with_the_remedy():
    tables = iter((WORKFLOWS, {"thanks": WORKFLOWS["thanks"]}))
    check = ActionCheck({"stripe/create-customer", "acme/send-mail"}, lambda: next(tables))
    said = check.missing()
    assert said is not None
    assert "refunds uses acme/create-refund. Install the package" in said
    assert "thanks" not in said
    assert check.missing() is None
