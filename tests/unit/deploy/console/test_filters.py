"""Filters of an address: what is refused, with words, and what leads to the same list."""

from typing import Any

import pytest

from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.console.console_page import Question
from stripeline.deploy.console.filters import BadFilterError, FilterField, check, moment, query_text

FIELDS = (FilterField("status", "Status", ("running", "stopped")), FilterField("code", "Code"))
NOW_MS = 1_764_000_000_000


def asked(**query: str) -> Question:
    nothing: Any = None
    who = Identity(user="ada", role=ConsoleRole.VIEWER)
    return Question(sources=nothing, identity=who, now_ms=NOW_MS, query=query)


@pytest.mark.parametrize("query", [{"status": "stoped"}, {"code": "x" * 501}])
def test_what_no_row_can_have_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(BadFilterError):
        check(asked(**query), FIELDS)


@pytest.mark.parametrize("text", ["999999999d", "99999999999999999999d", "0001-01-01", "9999-12-31T23:59:59-23:59"])
def test_every_time_fits_a_column(text: str) -> None:
    at_ms = moment(asked(since=text), "since")
    assert at_ms is not None
    assert 0 <= at_ms < 2**63


@pytest.mark.parametrize("text", ["soon", "-1h", "٣", "9" * 400])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadFilterError, match="since: "):
        moment(asked(since=text), "since")


def test_a_changed_filter_keeps_the_others() -> None:
    assert query_text(asked(status="stopped", code="a&b"), FIELDS, status="running") == "?status=running&code=a%26b"
    assert query_text(asked(status="stopped", code="a&b"), FIELDS, status=None) == "?code=a%26b"
