"""The plans of an installation for a pipeline, or for those who make destinations with Terraform. Pure."""

from collections.abc import Sequence
from typing import Any

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.stripe_side.endpoints.installation_plans import AccountPlan, unreachable
from stripeline.deploy.stripe_side.endpoints.step_words import step_row
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import wanted_destinations


def plan_row(definitions: Definitions, plans: Sequence[AccountPlan], problems: Sequence[str]) -> dict[str, Any]:
    """One object: what is wanted, what would be done, and what keeps it from being done."""
    return {
        "destinations": [
            {
                "endpoint": name, "connection": definitions.endpoints[name].connection, "payload": one.payload,
                "url": one.url, "api_version": one.api_version, "connect": one.connect, "events": list(one.events),
                "ids": _ids(plans, name, one.payload),
            }
            for name, wanted in wanted_destinations(definitions).items()
            for one in wanted
        ],
        "steps": [{"connection": one.connection, **step_row(step)} for one in plans for step in one.plan.steps],
        "problems": list(problems),
        "notes": unreachable(definitions),
    }  # fmt: skip


def _ids(plans: Sequence[AccountPlan], endpoint: str, payload: str) -> list[str]:
    """Of ours whose secret is recorded."""
    return sorted({each.id for one in plans for each in one.state.known(endpoint) if each.payload == payload})
