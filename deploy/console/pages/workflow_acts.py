"""Pauses and resumes a workflow, with or without taking up what came meanwhile: first what that would do."""

from dataclasses import dataclass
from typing import Final

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.control_records import Pause
from stripeline.deploy.console.acting import seen, signed
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import (
    REFUSED,
    Answer,
    ConsolePage,
    PageProblem,
    Question,
    Redirect,
)
from stripeline.deploy.console.definitions.act_notices import ActNotice
from stripeline.deploy.console.definitions.pausable import WHY_MISSING, Pausable
from stripeline.deploy.console.pages.workflows import missing
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.act_failures import EXPECTED_OF_ACTS, act_failure
from stripeline.deploy.operations.acts import workflow_pauses
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.workflow_resume import taken_up_words
from stripeline.deploy.operations.status.waiting_rules import moment

TAKE_UP_PER_S: Final = 100.0
"""As `stripeline resume workflow --take-up` without `--rate`."""
_SOON_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the ways to carry an act out."""

    name: str
    value: str
    label: str
    chosen: bool = False


async def ask_pause(question: Question) -> Answer:
    return _ask_pause(question)


def _ask_pause(question: Question, problem: str | None = None) -> Answer:
    name, stored = question.path["name"], question.sources.definitions()
    if name not in stored.workflows:
        return missing(name)
    if (held := stored.pauses.get(f"workflow/{name}")) is not None:
        words = f"It is paused already, by {held.by}: {held.why}"
        return PageProblem(status=REFUSED, title=f"{name} can't be paused", words=words, **_pausable(question).back)
    sentences = [
        "Its events are still received, published and counted, and start no run. Runs that run go on.",
        "They can be taken up as long as their topic keeps them. The page says until when, once it is paused.",
    ]
    return _pausable(question).confirmation(question, "pause", sentences, problem=problem)


async def ask_resume(question: Question) -> Answer:
    name, stored = question.path["name"], question.sources.definitions()
    if name not in stored.workflows:
        return missing(name)
    try:
        held = workflow_pauses.held(stored, name)
    except FailureError as error:
        return PageProblem(
            status=REFUSED, title=f"{name} can't be resumed", words=str(error), **_pausable(question).back
        )
    return _pausable(question).confirmation(question, "resume", _resume_means(held), fields=_CHOICES)


def _resume_means(held: Pause) -> tuple[str, ...]:
    return (
        f"It was paused by {held.by} at {moment(held.at_ms)}: {held.why}",
        f"Of the events that came meanwhile, {workflow_pauses.until_text(held)}.",
        "Taking up can take minutes. If it is cut short, resume it again: nothing starts twice.",
    )


_CHOICES = (
    Choice(
        name="how", value="take_up", chosen=True,
        label="First start the runs of what came while it was paused, in the order of each key, then resume it",
    ),
    Choice(name="how", value="only", label="Only resume it: what came while it was paused starts no run"),
)  # fmt: skip


async def pause(question: Question) -> Answer:
    if not question.field("why"):
        return _ask_pause(question, problem=WHY_MISSING)
    one = _pausable(question)
    return await one.held(question, question.sources.pausing.pause_workflow(one.name, signed(question)), paused=True)


async def resume(question: Question) -> Answer:
    """Resume it beside the pages: what came meanwhile is read, and perhaps started. Its page shows how it ends."""
    name, how = question.path["name"], question.field("how")
    progress, key = question.sources.progress, f"workflow {name}"
    if name not in question.sources.definitions().workflows:
        return missing(name)
    if how not in {one.value for one in _CHOICES}:
        words = "The form did not say what is to become of the events that came meanwhile."
        return PageProblem(status=400, title="This was not done", words=words, **_pausable(question).back)
    if progress.running(key):
        words = "It is being resumed already. Its page shows how that ends."
        return PageProblem(status=REFUSED, title="This was not done", words=words, **_pausable(question).back)
    if question.sources.acting.full:
        words = "Other acts are under way, and no more can begin. Try again once one has ended."
        return PageProblem(status=REFUSED, title="This was not done", words=words, **_pausable(question).back)
    act, take_up = signed(question), how == "take_up"
    title = f"Taking up what came, then resuming {name}" if take_up else f"Resuming {name}"
    state = ActNotice(title=title, by=act.by, since_ms=question.now_ms)
    progress.begin(key, state)
    work = progress.follow(key, state, _resumed(question, name, act, take_up=take_up))
    question.sources.acting.start(key, work)
    await question.sources.acting.settled(key, _SOON_S)
    return Redirect(_pausable(question).address)


async def _resumed(question: Question, name: str, act: Signed, *, take_up: bool) -> tuple[bool, str]:
    """Whether it failed, and its outcome in words."""
    sources = question.sources
    try:
        done = await sources.pausing.resume_workflow(name, act, TAKE_UP_PER_S if take_up else None)
    except EXPECTED_OF_ACTS as error:
        return True, act_failure(error, sources.topics, sources.client)
    await seen(question, lambda stored: _not_paused(stored, name))
    if take_up:
        return False, f"Resumed: {taken_up_words(done)}."
    if not done.unstarted:
        return False, "Resumed: no event came meanwhile that would start a run."
    command = workflow_pauses.take_up_command(name, done.pause.at_ms, done.at_ms)
    return False, (
        f"Resumed: {done.unstarted} of the events that came meanwhile started no run. `{command}` shows them, and"
        " starts them with --why and --yes, in no promised order."
    )


def _not_paused(stored: Definitions, name: str) -> bool:
    return f"workflow/{name}" not in stored.pauses


def _pausable(question: Question) -> Pausable:
    return Pausable("workflow", question.path["name"])


_OPERATOR = ConsoleRole.OPERATOR
PAGES = (
    ConsolePage(name="ask_workflow_pause", path="/workflows/{name}/pause", show=ask_pause, needs=_OPERATOR),
    ConsolePage(name="ask_workflow_resume", path="/workflows/{name}/resume", show=ask_resume, needs=_OPERATOR),
    ConsolePage(name="workflow_pause", path="/workflows/{name}/pause", show=pause, method="POST", needs=_OPERATOR),
    ConsolePage(name="workflow_resume", path="/workflows/{name}/resume", show=resume, method="POST", needs=_OPERATOR),
)
