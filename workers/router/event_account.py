"""Which connected account the steps of an event's run act for. Pure.

An event of a connected account acts on that account, never silently on the platform. It applies only to steps on the
trigger's own connection, and only where it differs from that connection's own account.
https://docs.stripe.com/connect/webhooks
"""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts.definitions import Step, Workflow
from stripeline.contracts.ids import ACCOUNT_ID


def named_account(event: Mapping[str, Any]) -> str | None:
    """What an event says of its account, whether that is one account or a path of several."""
    named = event.get("account") or event.get("context")
    return str(named) if named else None


def event_account(event: Mapping[str, Any]) -> str | None:
    """The account that an event is of; None where it names none, or no single one."""
    named = named_account(event)
    return named if named is not None and ACCOUNT_ID.fullmatch(named) else None


def foreign_account(event: Mapping[str, Any], own: str | None) -> str | None:
    """The account of an event that is not its connection's own. `own`: None while that is unknown."""
    account = event_account(event)
    return None if account == own else account


def step_account(step: Step, connection: str, foreign: str | None) -> str | None:
    """The account that a step's command names; None for that of its connection. `connection`: the trigger's."""
    match step.account:
        case "self":
            return None
        case None:
            return foreign if _follows(step, connection) else None
        case named:
            return named


def unclear(workflow: Workflow, event: Mapping[str, Any], connection: str) -> str | None:
    """Why the steps' account can't be said; None where it can, or where each step names its own."""
    named = named_account(event)
    if named is None or ACCOUNT_ID.fullmatch(named):
        return None
    open_steps = [step.id for step in workflow.steps if step.account is None and _follows(step, connection)]
    if not open_steps:
        return None
    return (
        f"the event is of {named[:100]!r}, which is no single account (acct_…), so nothing was called; give the step"
        f" {open_steps[0]!r} an `account`: acct_…, or self for the connection's own"
    )


def _follows(step: Step, connection: str) -> bool:
    return step.connection in {None, connection}
