"""Events: the newest of those that match; and one, with what it says and which runs it started."""

from shlex import quote
from typing import Any, Final

from sqlalchemy import Row

from stripeline.deploy.console.addresses import search_address
from stripeline.deploy.console.console_page import (
    NOT_FOUND,
    Answer,
    ConsolePage,
    NavigationItem,
    News,
    PageProblem,
    Question,
    View,
)
from stripeline.deploy.console.details.command_waits import fetch
from stripeline.deploy.console.details.payloads import payload_of
from stripeline.deploy.console.filters import (
    SINCE,
    UNTIL,
    BadFilterError,
    FilterField,
    check,
    list_values,
    moment,
    suggested,
)
from stripeline.deploy.console.index.queries.events import (
    EventQuestion,
    copies_of_event,
    known_types,
    newer_events,
    newest_events,
)
from stripeline.deploy.console.index.queries.runs import runs_of_event
from stripeline.deploy.operations.reading.event_views import event_view

FIELDS: Final = (
    FilterField("type", "Type", suggestions=known_types(), help="payment_intent.*"),
    FilterField("object", "Object", help="pi_…, ch_…, cus_…"),
    FilterField("customer", "Customer"),
    SINCE,
    FilterField("trigger", "Trigger", rare=True),
    FilterField("connection", "Connection", rare=True),
    FilterField("account", "Account", rare=True),
    FilterField("event", "Event", rare=True),
    FilterField("source", "Source", choices=("delivery", "backfill"), rare=True),
    UNTIL,
)


async def events(question: Question) -> Answer:
    try:
        check(question, FIELDS)
        asked = _asked(question)
    except BadFilterError as error:
        return error.page("/events", "Events")
    found = await question.sources.index.ask(newest_events(asked, question.given("after")))
    stored = question.sources.definitions()
    fields = suggested(FIELDS, {"trigger": stored.triggers, "connection": stored.connections})
    return View(
        template="events.html",
        values={
            **list_values(question, fields, found, "events"), "window_ms": question.sources.window_ms,
        },
    )  # fmt: skip


def _asked(question: Question) -> EventQuestion:
    """Raises BadFilterError."""
    given, source = question.given, question.given("source")
    return EventQuestion(
        type=given("type"), trigger=given("trigger"), connection=given("connection"), account=given("account"),
        object_id=given("object"), customer=given("customer"), event=given("event"),
        late=None if source is None else source == "backfill",
        since_ms=moment(question, "since"), until_ms=moment(question, "until"),
    )  # fmt: skip


async def event(question: Question) -> Answer:
    event_id = question.path["event"]
    copies = await question.sources.index.ask(copies_of_event(event_id))
    if not copies:
        return PageProblem(
            status=NOT_FOUND, title="There is no such event",
            words="The index has no event of this id: it may be older than the console's window, or not read yet."
            " `stripeline events show EVENT` asks Kafka.",
            back=search_address(event_id), back_to="the search",
        )  # fmt: skip
    row = _chosen(question, copies)
    place = (row.topic, row.number, row.offset)
    fetched = await fetch(question, [place])
    record = fetched.at(place)
    shows, workflows = f"stripeline events show {quote(event_id)}", question.sources.definitions().workflows
    same = record is not None and event_view(record)["event"] == event_id
    return View(
        template="event.html",
        values={
            "row": row, "copies": copies, "problem": fetched.problem, "now_ms": question.now_ms,
            "runs": await question.sources.index.ask(runs_of_event(event_id)),
            "workflows": sorted(name for name, one in workflows.items() if one.trigger == row.trigger),
            "payload": payload_of(record if same else None, event_view, question.identity, shows),
        },
    )  # fmt: skip


def _chosen(question: Question, copies: Any) -> Row[Any]:
    """The copy at the place that the address names, `stripe.charge-event/0/17`; else the first."""
    at = question.given("at")
    first: Row[Any] = copies[0]
    return next((one for one in copies if f"{one.topic}/{one.number}/{one.offset}" == at), first)


PAGES = (
    ConsolePage(
        name="events", path="/events", show=events, navigation=NavigationItem(label="Events", place=3, key="e"),
        live=News(
            newer=lambda question: newer_events(_asked(question), question.given("newest")), one="event", many="events"
        ),
    ),
    ConsolePage(name="event", path="/events/{event:(?s:.+)}", show=event),
)  # fmt: skip
