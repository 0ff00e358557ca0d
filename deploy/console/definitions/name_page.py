"""Pages of a list of definitions, by name: each begins behind the last name of the one before. Pure.

Definitions are in memory, so a filter looks at all of them; what else a row costs is paid for the rows of one page.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import inf
from typing import Any

from stripeline.deploy.console.console_page import Question
from stripeline.deploy.console.filters import FilterField, page_values, status_tabs
from stripeline.deploy.console.index.queries.keyset import PAGE_ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePage:
    """names: of the page, in order. next: behind which name the next one begins; None on the last one.

    chosen: all names that match. counts: names by state, whichever state is asked for.
    """

    names: Sequence[str]
    chosen: frozenset[str]
    counts: Mapping[str, int]
    next: str | None = None


def name_page(states: Mapping[str, str], state: str | None = None, after: str | None = None) -> NamePage:
    """states: of the names that match otherwise. after: a name, which need not be there any more."""
    chosen = frozenset(name for name, one in states.items() if state in {None, one})
    found = nsmallest(PAGE_ROWS + 1, (name for name in chosen if after is None or name > after))
    return NamePage(
        names=found[:PAGE_ROWS], chosen=chosen, counts=Counter(states.values()),
        next=found[PAGE_ROWS - 1] if len(found) > PAGE_ROWS else None,
    )  # fmt: skip


def asked_page(question: Question, states: Mapping[str, str]) -> NamePage:
    """The page that an address asks for, by `state` and `after`."""
    return name_page(states, question.given("state"), question.given("after"))


def name_values(
    question: Question, fields: Sequence[FilterField], found: NamePage, states: Sequence[str]
) -> dict[str, Any]:
    """What the template of such a list needs beside its rows. states: those that there are, in their order."""
    counts = {one: found.counts.get(one, 0) for one in states}
    return {
        **page_values(question, fields, found.next), "more_label": "Next",
        "tabs": status_tabs(question, fields, counts, by="state", most=inf),
    }  # fmt: skip
