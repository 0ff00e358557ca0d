"""What a workflow would do with a pasted event: what `apply --try` says. Changes nothing, and keeps nothing of it."""

import asyncio
from typing import Any, Final

from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import Answer, ConsolePage, Question, View
from stripeline.deploy.console.pages.workflows import missing, values_of
from stripeline.deploy.definitions.trial.tried_event import NotAnEventError, parse_event

MAX_EVENT_BYTES: Final = 256 * 1024
_TRIAL_S: Final = 10.0


async def try_event(question: Question) -> Answer:
    """The workflow's page with what became of the event."""
    name, stored = question.path["name"], question.sources.definitions()
    held = stored.workflows.get(name)
    if held is None:
        return missing(name)
    trial = await _tried(question, name, held, stored.triggers.get(held.trigger))
    return View(template="workflow.html", values=await values_of(question, name, held) | {"trial": trial})


async def _tried(question: Question, name: str, held: Workflow, trigger: Trigger | None) -> dict[str, Any]:
    text = question.field("event")
    if not text:
        return {"problem": "Paste an event first."}
    if (size := len(text.encode())) > MAX_EVENT_BYTES:
        return {"problem": f"The event has {size // 1024:,} KiB, and can have {MAX_EVENT_BYTES // 1024} here."}
    if trigger is None:
        return {"problem": f"Its trigger {held.trigger} is not defined, so no event starts it."}
    try:
        # In a thread: an expression over a large list takes its time, and the other pages go on.
        async with asyncio.timeout(_TRIAL_S):
            return await asyncio.to_thread(_trial, text, name, held, trigger, question.now_ms)
    except NotAnEventError as error:
        return {"problem": f"This can't be tried: {error}"}
    except TimeoutError:
        return {"problem": f"It took longer than {_TRIAL_S:.0f} s. Try a smaller event."}


def _trial(text: str, name: str, held: Workflow, trigger: Trigger, now_ms: int) -> dict[str, Any]:
    # Loads the CEL engine: only when it is needed.
    from stripeline.deploy.definitions.trial import event_trial  # noqa: PLC0415

    event = parse_event(text)
    found = event_trial.try_event(event, {held.trigger: trigger}, {name: held}, now_ms)
    report = event_trial.report(event, found, event_trial.too_old(event, now_ms), [])
    played = [one for each in report["triggers"] for one in each["workflows"]]
    return {
        "problem": None, "event": report["event"], "too_old": report["too_old"], "kind": trigger.kind,
        "played": [
            {
                **one, "words": event_trial.WORDS[one["outcome"]],
                "late_words": event_trial.LATE_WORDS.get(one["late"]),
            }
            for one in played
        ],
    }  # fmt: skip


PAGES = (
    ConsolePage(
        name="workflow_trial", path="/workflows/{name}/try", show=try_event, method="POST", needs=ConsoleRole.READER
    ),
)
