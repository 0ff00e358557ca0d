"""An event that a person has in a file, as a workflow would see it: from Stripe's webhook, or from an event topic."""

import json
from pathlib import Path
from typing import Any

from stripeline.deploy.failure import FailureError
from stripeline.ingest.routing import output, problem_of


def read_event(path: Path) -> dict[str, Any]:
    """The event, as the event topics have it. Raises FailureError."""
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not JSON"
        raise FailureError(f"The event {path} can't be tried: {reason}.") from None
    if not isinstance(event, dict):
        raise FailureError(f"The event {path} can't be tried: it is not a JSON object.")
    body = event if event.get("object") == "event" else _as_stripe_sends_it(event)
    problem = problem_of(body)
    if problem is not None:
        raise FailureError(
            f"The event {path} can't be tried: {problem.value}. It must be an event as Stripe's webhooks have it, with"
            " `data.object`, or as the event topics have it, with id, type, created and data."
        )
    return dict(output(body))


def _as_stripe_sends_it(event: dict[str, Any]) -> dict[str, Any]:
    """A record of an event topic in the form of a webhook, so that both are judged alike."""
    data = {"object": event.get("data"), "previous_attributes": event.get("previous_attributes")}
    return {**event, "object": "event", "data": data}
