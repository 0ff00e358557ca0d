"""Dead letters: the desk. Those that match, by reason and code; and one, with what a replay of it would do."""

from typing import Final

from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.vocabulary import Code, DeadLetterReason, LetterState
from stripeline.deploy.console.addresses import place_in_topic
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.bulk.act_selection import offers
from stripeline.deploy.console.bulk.bulk_act import LETTER_ACTS
from stripeline.deploy.console.bulk.letter_acts import letter_of
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
from stripeline.deploy.console.details.payloads import payload_of
from stripeline.deploy.console.filters import (
    SINCE,
    UNTIL,
    BadFilterError,
    FilterField,
    check,
    letter_filters,
    list_values,
    query_text,
)
from stripeline.deploy.console.index.queries.letters import (
    SOON_MS,
    acts_on_letter,
    letter_groups,
    letters_at,
    newer_letters,
    newest_letters,
)
from stripeline.deploy.operations.act_failures import EXPECTED_OF_ACTS
from stripeline.deploy.operations.acts.replay import prospect, replayable
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.views import dead_letter_details, dead_letter_of

FIELDS: Final = (
    FilterField("state", "State", tuple(LetterState)),
    FilterField("reason", "Reason", suggestions=tuple(DeadLetterReason)),
    FilterField("code", "Code", suggestions=tuple(Code)),
    FilterField("connection", "Connection"),
    SINCE,
    FilterField("action", "Action", rare=True),
    FilterField("account", "Account", rare=True),
    FilterField("customer", "Customer", rare=True),
    FilterField("key", "Key", rare=True),
    FilterField("id", "Command id", rare=True),
    UNTIL,
)


async def dead_letters(question: Question) -> Answer:
    try:
        check(question, FIELDS)
        filters = letter_filters(question)
    except BadFilterError as error:
        return error.page("/dead-letters", "Dead letters")
    ask = question.sources.index.ask
    found = await ask(newest_letters(filters, question.given("after")))
    groups = await ask(letter_groups(filters, question.now_ms))
    state = "" if filters.state is None else filters.state.value
    more = None if found.next is None else query_text(question, FIELDS, state=state, after=found.next)
    return View(
        template="dead_letters.html",
        values={
            **list_values(question, FIELDS, found, "dead-letters"),
            "given": {**question.query, "state": state}, "more": more,
            "groups": [(group, _only(question, state, group.reason, group.code)) for group in groups],
            "total": sum(group.count for group in groups), "soon_ms": SOON_MS,
            "selectable": question.identity.may(ConsoleRole.OPERATOR),
            "offers": offers({**question.query, "state": state}, LETTER_ACTS),
        },
    )  # fmt: skip


def _only(question: Question, state: str, reason: str | None, code: str | None) -> str | None:
    """The address of a group's letters. No filter says that there is no reason, or no code."""
    if reason is None or code is None:
        return None
    return query_text(question, FIELDS, state=state, reason=reason, code=code)


async def dead_letter(question: Question) -> Answer:
    number, offset = question.path["number"], question.path["offset"]
    place = place_in_topic(number, offset)
    row = None if place is None else (await question.sources.index.ask(letters_at([place]))).get(place)
    if place is None or row is None:
        return _missing(number, offset)
    read, unread = await _record(question, place)
    shows, letter = question.identity.may(ConsoleRole.READER), None if read is None else letter_of(row, read)
    return View(
        template="dead_letter.html",
        values={
            "row": row, "now_ms": question.now_ms, "shows": shows, "unread": unread,
            "selectable": question.identity.may(ConsoleRole.OPERATOR) and row.state == LetterState.OPEN,
            "offers": offers({}, LETTER_ACTS if letter is not None and replayable(letter) else LETTER_ACTS[1:]),
            "acts": await question.sources.index.ask(acts_on_letter(row)),
            "details": dead_letter_details(letter) if letter is not None and shows else None,
            "payload": payload_of(
                read, lambda one: dead_letter_details(dead_letter_of(one))["value"], question.identity,
                f"stripeline dead-letters show {row.number}/{row.offset}",
            ),
            "would": None if letter is None else prospect(letter, question.now_ms),
            "horizon_ms": None if row.first_ms is None else row.first_ms + HORIZON_MS,
            "idempotency_key": question.sources.idempotency_key(row.command_id),
        },
    )  # fmt: skip


def _missing(number: str, offset: str) -> PageProblem:
    return PageProblem(
        status=NOT_FOUND, title="There is no such dead letter", back="/dead-letters", back_to="Dead letters",
        words=f"The index has no dead letter {number}/{offset}. It may not be read yet, or Kafka has removed it.",
    )  # fmt: skip


async def _record(question: Question, place: tuple[int, int]) -> tuple[Read | None, str | None]:
    """The record, or why it is not shown."""
    try:
        read = await question.sources.records.at(question.sources.topics.dead_letter, *place)
    except EXPECTED_OF_ACTS:
        return None, "Kafka did not answer, so only what the index knows is shown. Load the page again."
    return (
        read,
        None if read is not None else "Kafka does not have this record any more: only what the index knows is shown.",
    )


PAGES = (
    ConsolePage(
        name="dead-letters", path="/dead-letters", show=dead_letters,
        navigation=NavigationItem(label="Dead letters", place=5, key="d"),
        live=News(
            newer=lambda question: newer_letters(letter_filters(question), question.given("newest")), one="dead letter",
            many="dead letters",
        ),
    ),
    ConsolePage(name="dead-letter", path="/dead-letters/{number}/{offset}", show=dead_letter),
)  # fmt: skip
