"""Runs: the newest of those that match, with how many there are of each status."""

from typing import Final

from stripeline.deploy.console.console_page import Answer, ConsolePage, NavigationItem, PageProblem, Question, View
from stripeline.deploy.console.filters import BadFilterError, FilterField, query_text, run_filters
from stripeline.deploy.console.index.queries.runs import newest_runs, runs_by_status

FIELDS: Final = (
    FilterField("status", "Status", ("running", "succeeded", "stopped", "cancelled")),
    FilterField("workflow", "Workflow"),
    FilterField("trigger", "Trigger"),
    FilterField("type", "Type"),
    FilterField("connection", "Connection"),
    FilterField("account", "Account"),
    FilterField("code", "Code"),
    FilterField("customer", "Customer"),
    FilterField("event", "Event"),
    FilterField("since", "Since"),
    FilterField("until", "Until"),
)


async def runs(question: Question) -> Answer:
    try:
        filters = run_filters(question)
    except BadFilterError as error:
        return PageProblem(
            status=400, title="This filter can't be used", words=str(error), back="/runs", back_to="Runs"
        )
    found = await question.sources.index.ask(
        newest_runs(filters, question.given("type"), question.given("trigger"), question.given("after"))
    )
    counts = await question.sources.index.ask(runs_by_status(filters))
    more = None if found.next is None else query_text(question, FIELDS, after=found.next)
    return View(
        template="runs.html",
        values={
            "fields": FIELDS, "given": question.query, "rows": found.rows, "more": more, "counts": counts,
            "now_ms": question.now_ms,
        },
    )  # fmt: skip


PAGES = (ConsolePage(name="runs", path="/runs", show=runs, navigation=NavigationItem(label="Runs", place=2, key="r")),)
