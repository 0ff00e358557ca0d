"""An event that a person has, as a workflow would see it: from Stripe's webhook, or from an event topic."""

import json
from pathlib import Path
from typing import Any

from stripeline.contracts.deliveries.trigger_output import output, problem_of
from stripeline.deploy.failure import FailureError


class NotAnEventError(ValueError):
    """A text that is no event: why, with the line where that can be said. Shows none of it."""


def read_event(path: Path) -> dict[str, Any]:
    """The event of a file, as the event topics have it. Raises FailureError."""
    try:
        return parse_event(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"{error.strerror or error}."
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text."
    except NotAnEventError as error:
        reason = str(error)
    raise FailureError(f"The event {path} can't be tried: {reason}")


def parse_event(text: str) -> dict[str, Any]:
    """The event of a text, as the event topics have it. Raises NotAnEventError."""
    try:
        event = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotAnEventError(
            f"it is not JSON: line {error.lineno}, column {error.colno}: {error.msg[0].lower()}{error.msg[1:]}."
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or a thousand brackets
        raise NotAnEventError(
            "it is not JSON that can be read: a number in it is too long, or it is too deep."
        ) from None
    if not isinstance(event, dict):
        raise NotAnEventError("it is not a JSON object.")
    body = event if event.get("object") == "event" else _as_stripe_sends_it(event)
    problem = problem_of(body)
    if problem is not None:
        raise NotAnEventError(
            f"{problem.value}. It must be an event as Stripe's webhooks have it, with `data.object`, or as the event"
            " topics have it, with id, type, created and data."
        )
    return dict(output(body))


def _as_stripe_sends_it(event: dict[str, Any]) -> dict[str, Any]:
    """A record of an event topic in the form of a webhook, so that both are judged alike."""
    data = {"object": event.get("data"), "previous_attributes": event.get("previous_attributes")}
    return {**event, "object": "event", "data": data}
