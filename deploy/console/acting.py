"""What pages that act have in common: who asks and why, what failed, in words, and when it shows. Knows no act."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.console.console_page import REFUSED, PageProblem, Question
from stripeline.deploy.operations.act_failures import EXPECTED_OF_ACTS, act_failure
from stripeline.deploy.operations.acts.audit import Signed

MAX_REASON: Final = 500
_SEEN_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.05
Done = TypeVar("Done")


def signed(question: Question) -> Signed:
    """Who asks, and why: recorded with the act."""
    return Signed(by=question.identity.user, why=question.field("why")[:MAX_REASON], at_ms=question.now_ms)


async def attempted(question: Question, act: Awaitable[Done], *, back: str, back_to: str) -> Done | PageProblem:
    """What an act returns, or why it was not done."""
    try:
        return await act
    except EXPECTED_OF_ACTS as error:
        words = act_failure(error, question.sources.topics, question.sources.client)
        return PageProblem(status=REFUSED, title="This was not done", words=words, back=back, back_to=back_to)


async def seen(question: Question, is_there: Callable[[Definitions], bool]) -> None:
    """Wait until the console has read what an act changed, so that the next page shows it; a few seconds at most."""
    try:
        async with asyncio.timeout(_SEEN_S):
            while not is_there(question.sources.definitions()):  # noqa: ASYNC110  (the table sends no notice)
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        return
