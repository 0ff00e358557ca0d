"""Pauses and resumes a connection: first what that would do, then the act, with its reason."""

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.deploy.console.acting import signed
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import REFUSED, Answer, ConsolePage, PageProblem, Question
from stripeline.deploy.console.definitions.pausable import WHY_MISSING, Pausable
from stripeline.deploy.console.pages.connections import missing, states_of
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.act_failures import EXPECTED_OF_ACTS
from stripeline.deploy.operations.acts import pauses
from stripeline.deploy.operations.acts.paused_commands import words
from stripeline.deploy.operations.status.finding import counted
from stripeline.deploy.operations.status.waiting_rules import moment


async def ask_pause(question: Question) -> Answer:
    return await _ask(question, "pause")


async def ask_resume(question: Question) -> Answer:
    return await _ask(question, "resume")


async def pause(question: Question) -> Answer:
    """A reason is required: those who ask later why the commands wait need it."""
    if not question.field("why"):
        return await _ask(question, "pause", problem=WHY_MISSING)
    one = _pausable(question)
    return await one.held(question, question.sources.pausing.pause_connection(one.name, signed(question)), paused=True)


async def resume(question: Question) -> Answer:
    one = _pausable(question)
    return await one.held(
        question, question.sources.pausing.resume_connection(one.name, signed(question)), paused=False
    )


async def _ask(question: Question, act: str, problem: str | None = None) -> Answer:
    """What the act would do. Shown again, with what is wrong, for a form that can't be carried out."""
    one, stored = _pausable(question), question.sources.definitions()
    name = one.name
    if name not in stored.connections:
        return missing(name)
    try:
        # The rule of the act itself says whether it can be done at all.
        (pauses.pause if act == "pause" else pauses.resume)(stored, name, signed(question))
    except FailureError as error:
        return PageProblem(status=REFUSED, title=f"{name} can't be {act}d", words=str(error), **one.back)
    means = _PAUSE if act == "pause" else _resume_means(name, stored)
    return one.confirmation(question, act, [*means, await _waiting(question, name)], problem=problem)


_PAUSE = (
    "Nothing is called for it at Stripe until it is resumed. Calls under way end first.",
    "Its events are still received and published. Runs start, and their commands wait in order.",
)


def _resume_means(name: str, stored: Definitions) -> list[str]:
    held, refused = stored.pauses.get(f"connection/{name}"), stored.refused(name)
    found = []
    if held is not None:
        found.append(f"It was paused by {held.by} at {moment(held.at_ms)}: {held.why}")
    if refused:
        found.append(
            "Stripe refuses its key, or its access to an account: an executor asks Stripe with one call whether that"
            " still holds. If so, the commands go on waiting."
        )
    elif states_of(stored)(name) == "paused":
        found.append("Its commands go on, in the order of each key.")
    return found


async def _waiting(question: Question, name: str) -> str:
    """How many commands wait, and which of them a person will have to decide about."""
    try:
        found = await question.sources.pausing.waiting(name, question.now_ms)
    except EXPECTED_OF_ACTS:
        return "How many commands wait could not be counted now: Kafka did not answer in time."
    said = words(found)
    if found is not None and found.passed:
        hours = HORIZON_MS // 3_600_000
        said += (
            f". {counted(found.passed, 'command')} passed the {hours} hours already: looked up at Stripe, and left to a"
            " person where nothing is found"
        )
    return f"{said[0].upper()}{said[1:]}."


def _pausable(question: Question) -> Pausable:
    return Pausable("connection", question.path["name"])


_OPERATOR = ConsoleRole.OPERATOR
PAGES = (
    ConsolePage(name="ask_connection_pause", path="/connections/{name}/pause", show=ask_pause, needs=_OPERATOR),
    ConsolePage(name="ask_connection_resume", path="/connections/{name}/resume", show=ask_resume, needs=_OPERATOR),
    ConsolePage(name="connection_pause", path="/connections/{name}/pause", show=pause, method="POST", needs=_OPERATOR),
    ConsolePage(
        name="connection_resume", path="/connections/{name}/resume", show=resume, method="POST", needs=_OPERATOR
    ),
)
