"""Filters in an address: what a person asks for, and the address of the same list with one thing changed. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.console.console_page import PageProblem, Question
from stripeline.deploy.console.index.queries.keyset import COUNTED, Rows
from stripeline.deploy.operations.reading.moments import moment_at
from stripeline.deploy.operations.reading.run_filters import RunFilters
from stripeline.deploy.operations.reading.views import Filters


class BadFilterError(ValueError):
    """A filter that can't be understood: which, and what to write instead."""

    def page(self, back: str, back_to: str) -> PageProblem:
        return PageProblem(status=400, title="This filter can't be used", words=str(self), back=back, back_to=back_to)


@dataclass(frozen=True, slots=True)
class FilterField:
    """A field of a filter form.

    choices: all values that it can have; none where it is free text.
    suggestions: likely values of a free text.
    rare: behind "More filters", unless it is given.
    """

    name: str
    label: str
    choices: Sequence[str] = ()
    suggestions: Sequence[str] = ()
    rare: bool = False
    help: str = ""


SINCE: Final = FilterField("since", "Since", help="2h, 3d, or 2026-01-31T12:00Z")
UNTIL: Final = FilterField("until", "Until", help="90s, 15m, or 2026-01-31T12:00Z", rare=True)
MAX_CHARS: Final = 500
MOST_SUGGESTED: Final = 200
"""Each page carries all of them: of more none are suggested."""


def suggested(fields: Sequence[FilterField], suggestions: Mapping[str, Collection[str]]) -> Sequence[FilterField]:
    """The fields with what is likely, by their names."""
    few = {name: sorted(likely) for name, likely in suggestions.items() if len(likely) <= MOST_SUGGESTED}
    return [replace(field, suggestions=few[field.name]) if field.name in few else field for field in fields]


def check(question: Question, fields: Sequence[FilterField]) -> None:
    """Refuse a value that no row can have. Raises BadFilterError."""
    for field in fields:
        value = question.given(field.name)
        if value is None:
            continue
        if len(value) > MAX_CHARS:
            raise BadFilterError(f"{field.label}: it has {len(value)} characters; {MAX_CHARS} are allowed.")
        if field.choices and value not in field.choices:
            raise BadFilterError(f"{field.label}: {value!r} is none of {', '.join(field.choices)}.")


def moment(question: Question, name: str) -> int | None:
    """A time of the address. Raises BadFilterError."""
    text = question.given(name)
    try:
        return None if text is None else moment_at(text, question.now_ms)
    except ValueError as error:
        raise BadFilterError(f"{name}: {error}") from None


def run_filters(question: Question) -> RunFilters:
    """The filters of `runs list`, of an address. Raises BadFilterError."""
    given = question.given
    return RunFilters(
        status=given("status"), workflow=given("workflow"), event=given("event"), connection=given("connection"),
        account=given("account"), customer=given("customer"), code=given("code"),
        since_ms=moment(question, "since"), until_ms=moment(question, "until"),
    )  # fmt: skip


def letter_filters(question: Question) -> Filters:
    """The filters of `dead-letters list`, of an address: open ones where no state is named. Raises BadFilterError."""
    given, state = question.given, None
    if (named := question.query.get("state", LetterState.OPEN).strip()) != "":
        try:
            state = LetterState(named)
        except ValueError:
            raise BadFilterError(f"state: {named!r} is none of {', '.join(LetterState)}") from None
    return Filters(
        state=state, code=given("code"), reason=given("reason"), action=given("action"),
        connection=given("connection"), account=given("account"), customer=given("customer"), key=given("key"),
        id=given("id"), since_ms=moment(question, "since"), until_ms=moment(question, "until"),
    )  # fmt: skip


def query_text(question: Question, fields: Sequence[FilterField], **changed: str | None) -> str:
    """`?status=stopped&after=…`: the filters that are given, with these changed; None takes one away."""
    kept = {field.name: value for field in fields if (value := question.given(field.name)) is not None}
    wanted = {name: value for name, value in {**kept, **changed}.items() if value is not None}
    return f"?{urlencode(wanted)}" if wanted else "?"


def news_address(page: str, question: Question, fields: Sequence[FilterField], newest: str) -> str | None:
    """The stream that says what is new on a list; None on its later pages, where the newest rows are not shown."""
    if question.given("after") is not None:
        return None
    kept = {
        field.name: question.query[field.name] for field in fields if field.name in question.query
    }  # blank ones too
    return f"/live/{page}?{urlencode({**kept, 'newest': newest})}"


def list_values(question: Question, fields: Sequence[FilterField], found: Rows, page: str) -> dict[str, Any]:
    """What the template of a list of the index needs: its rows, and the stream of new ones."""
    return {
        **page_values(question, fields, found.next), "rows": found.rows,
        "live": news_address(page, question, fields, found.newest),
    }  # fmt: skip


def page_values(question: Question, fields: Sequence[FilterField], after: str | None) -> dict[str, Any]:
    """What the template of every list needs beside its rows. after: where the next page begins, if there is one."""
    return {
        "fields": fields, "given": question.query, "now_ms": question.now_ms,
        "more": None if after is None else query_text(question, fields, after=after),
        "filtered": query_text(question, fields) != "?",
    }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTab:
    """The rows of one status, or of all, with the other filters kept."""

    name: str
    found: str
    address: str
    chosen: bool


def status_tabs(
    question: Question, fields: Sequence[FilterField], counts: Mapping[str, int], *, by: str = "status",
    most: float = COUNTED,
) -> Sequence[StatusTab]:  # fmt: skip
    """A link a status. by: the field that has it. counts: at most one more than `most` of each."""
    chosen, cut = question.given(by), any(found > most for found in counts.values())
    every = StatusTab(
        name="all", found=f"{most:,}+" if cut else f"{sum(counts.values()):,}",
        address=query_text(question, fields, **{by: None}), chosen=chosen is None,
    )  # fmt: skip
    return [every] + [
        StatusTab(
            name=name, found=f"{most:,}+" if found > most else f"{found:,}",
            address=query_text(question, fields, **{by: name}), chosen=chosen == name,
        )
        for name, found in counts.items()
    ]  # fmt: skip
