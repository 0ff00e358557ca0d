"""Endpoints: where Stripe sends, how many secrets verify it, when it last came, and what is wrong at Stripe."""

from collections.abc import Iterator
from typing import Final

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.console.console_page import Answer, ConsolePage, Question, View
from stripeline.deploy.console.definitions.endpoint_list import endpoint_rows, endpoint_troubles
from stripeline.deploy.console.definitions.name_page import asked_page, name_values
from stripeline.deploy.console.filters import BadFilterError, FilterField, check

TROUBLE, NONE_FOUND = "trouble", "no trouble found"
STATES: Final = (TROUBLE, NONE_FOUND)
FIELDS: Final = (
    FilterField("name", "Name", help="a part of it"),
    FilterField("state", "State at Stripe", STATES),
    FilterField("connection", "Connection"),
    FilterField("trigger", "Trigger"),
    FilterField("owner", "Owner", rare=True),
)


async def endpoints(question: Question) -> Answer:
    try:
        check(question, FIELDS)
    except BadFilterError as error:
        return error.page("/endpoints", "Endpoints")
    stored, workers = question.sources.definitions(), question.sources.workers()
    wrong = endpoint_troubles(workers)
    states = {name: TROUBLE if name in wrong else NONE_FOUND for name in _matching(question, stored)}
    found = asked_page(question, states)
    values = {
        **name_values(question, FIELDS, found, STATES), "rows": endpoint_rows(found.names, stored, workers),
    }  # fmt: skip
    return View(template="endpoints.html", values=values)


def _matching(question: Question, stored: Definitions) -> Iterator[str]:
    """The endpoints that match, whatever their state."""
    part, connection, trigger, owner = (question.given(field) for field in ("name", "connection", "trigger", "owner"))
    for name, held in stored.endpoints.items():
        if (
            (part or "") in name
            and connection in {None, held.connection}
            and owner in {None, held.owner}
            and (trigger is None or trigger in held.triggers)
        ):
            yield name


PAGES = (ConsolePage(name="endpoints", path="/endpoints", show=endpoints),)
