"""What the pages that pause and resume have in common, whether it is a connection or a workflow."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.deploy.console.acting import attempted, seen
from stripeline.deploy.console.console_page import Answer, PageProblem, Question, Redirect, View

WHY_MISSING: Final = "Write why: it is recorded for those who ask later."


@dataclass(frozen=True, slots=True)
class Pausable:
    """A connection or a workflow, by its kind and name."""

    kind: str
    name: str

    @property
    def address(self) -> str:
        return f"/{self.kind}s/{self.name}"

    @property
    def back(self) -> dict[str, str]:
        """The way back of a problem."""
        return {"back": self.address, "back_to": self.name}

    async def held(self, question: Question, act: Awaitable[Any], *, paused: bool) -> Answer:
        """Its page, once an act has paused or resumed it and the console has read that; or why it was not done."""
        done = await attempted(question, act, **self.back)
        if isinstance(done, PageProblem):
            return done
        await seen(question, lambda stored: (f"{self.kind}/{self.name}" in stored.pauses) is paused)
        return Redirect(self.address)

    def confirmation(
        self, question: Question, act: str, sentences: Sequence[str], *, fields: Sequence[object] = (),
        problem: str | None = None,
    ) -> View:  # fmt: skip
        """What an act would do, with its form. problem: what is wrong with a form that was sent."""
        return View(
            template="confirm_act.html",
            status=200 if problem is None else 400,
            values={
                "title": f"{act.capitalize()} {self.kind} {self.name}", "problem": problem, "sentences": sentences,
                "action": f"{self.address}/{act}", "button": f"{act.capitalize()} {self.name}", "fields": fields,
                "reason_required": act == "pause", "back": self.address, "why": question.field("why"),
            },
        )  # fmt: skip
