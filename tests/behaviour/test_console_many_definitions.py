"""Ten thousand tenants: lists of definitions have pages and filters, and no page costs more than its rows."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path
from re import findall

import pytest

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.control_records import KeyRefusal, Pause
from stripeline.contracts.operator.worker_report import ConnectionReport, EndpointTrouble
from stripeline.deploy.operations.status.workers import Workers
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import NOW_MS
from tests.support.many_definitions import many_definitions
from tests.support.status_facts import instance
from tests.support.tenants import name_of

COUNT, PAGE = 10_000, 50
CPU_S = 1.0
"""A page takes a tenth of it. What goes through all definitions for each of them takes seconds."""
PAUSED = range(0, COUNT, 10)
REFUSED = range(5, COUNT, 10)
MOST_CHARS = 150_000
FOUND = {
    "/connections?name=0123": ["tenant-00123", *(f"tenant-0123{digit}" for digit in range(10))],
    "/connections?account=acct_0000000000000042": ["tenant-00042"],
    "/connections?owner=tenant-00042&mode=test": ["tenant-00042"],
    "/connections?owner=tenant-00042&mode=live": [],
    "/connections?owner=tenant-00042&state=refused": [],
    "/workflows?trigger=tenant-00042-payments": ["tenant-00042"],
    "/workflows?trigger=tenant-00042-charges": [],
    "/workflows?connection=tenant-00042&type=payment_intent.succeeded": ["tenant-00042"],
    "/workflows?connection=tenant-00042&type=charge.refunded": [],
    "/workflows?owner=tenant-00042&state=paused": [],
}
ENDPOINT_FOUND = {
    "connection=tenant-00042": True,
    "trigger=tenant-00042-people": True,
    "name=00042": True,
    "connection=tenant-00042&trigger=tenant-00001-people": False,
    "owner=nobody": False,
    "connection=tenant-00042&state=trouble": True,
    "connection=tenant-00600&state=trouble": False,
}
PATHS = (
    "/", "/connections", "/connections?state=paused", "/connections/tenant-00007", "/workflows",
    "/workflows?connection=tenant-00007", "/workflows/tenant-00007", "/endpoints", "/runs", "/events", "/commands",
    "/search?id=tenant-00007", "/workers", "/audit", "/contract",
)  # fmt: skip


@cache
def stored() -> Definitions:
    """A tenth is paused, a tenth is refused by Stripe."""
    found = many_definitions(COUNT, NOW_MS)
    key_name = next(iter(found.connections.values())).key_name
    return replace(
        found,
        pauses={f"connection/{name_of(one)}": Pause(by="ada", why="a test", at_ms=NOW_MS) for one in PAUSED},
        key_refusals={name_of(one): KeyRefusal(key_name=key_name, since_ms=NOW_MS) for one in REFUSED},
    )


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    lines = tuple(ConnectionReport(connection=name_of(one), line_ms=9_000) for one in range(500))
    troubles = tuple(EndpointTrouble(endpoint=name_of(one), kind="disabled", text="is disabled") for one in range(500))
    reports = instance("executor", connections=lines, endpoints=troubles)
    async with console_pages(tmp_path, workers=lambda: Workers(instances=(reports,), now_ms=NOW_MS)) as pages:
        pages.pausing.definitions = stored()
        yield pages


def names(text: str, kind: str) -> list[str]:
    """The names of the list's rows."""
    return findall(rf'<td><a href="/{kind}/([^"/]+)">', text)


def link(text: str, label: str) -> str:
    (found,) = findall(rf'<a class="button" href="([^"]+)">{label}</a>', text)
    return unescape(found)


async def test_a_list_has_pages(console: ConsolePages) -> None:
    for kind in ("connections", "workflows"):
        text = await console.get(f"/{kind}")
        assert names(text, kind) == [name_of(number) for number in range(PAGE)]
        second = await console.get(f"/{kind}{link(text, 'Next')}")
        assert names(second, kind) == [name_of(number) for number in range(PAGE, 2 * PAGE)]
        last = await console.get(f"/{kind}?after={name_of(COUNT - 3)}")
        assert names(last, kind) == [name_of(COUNT - 2), name_of(COUNT - 1)]
        assert ">Next<" not in last


async def test_endpoints_have_pages_and_a_state(console: ConsolePages) -> None:
    text = await console.get("/endpoints?state=no+trouble+found")
    assert f"<td>{name_of(500)}</td>" in text
    assert text.count("<tr>") == PAGE + 1
    assert f"<td>{name_of(550)}</td>" in await console.get(f"/endpoints{link(text, 'Next')}")


async def test_a_filter_is_kept_from_page_to_page(console: ConsolePages) -> None:
    text = await console.get("/connections?state=paused&name=tenant-0")
    assert names(text, "connections") == [name_of(number) for number in PAUSED[:PAGE]]
    second = await console.get(f"/connections{link(text, 'Next')}")
    assert names(second, "connections") == [name_of(number) for number in PAUSED[PAGE : 2 * PAGE]]


async def test_a_filter_finds_what_matches(console: ConsolePages) -> None:
    for address, found in FOUND.items():
        text = await console.get(address)
        assert names(text, address[1:].partition("?")[0]) == found, address
        assert found or "matches. <a" in text


async def test_an_endpoint_is_found_by_what_it_has(console: ConsolePages) -> None:
    for address, found in ENDPOINT_FOUND.items():
        assert ("<caption" in await console.get(f"/endpoints?{address}")) is found, address


async def test_states_are_counted_over_all_pages(console: ConsolePages) -> None:
    text = await console.get("/connections?state=refused")
    counts = findall(r'(\w+) <span class="count">([\d,]+)<', text)
    assert counts == [("all", "10,000"), ("active", "8,000"), ("paused", "1,000"), ("refused", "1,000")]


async def test_troubles_are_bounded_and_follow_the_filter(console: ConsolePages) -> None:
    text = await console.get("/connections")
    assert text.count('<li class="person">') == PAGE
    assert "2,451 more: filter by name" in text  # one is of the sample's commands, whose connection is not defined
    one = await console.get("/connections?owner=tenant-00010")
    assert one.count("is paused by ada") == 1
    assert "Stripe refuses the key" not in one
    assert "is paused by ada" not in await console.get(f"/connections?after={name_of(5)}")


async def test_a_state_that_is_none_is_refused(console: ConsolePages) -> None:
    for path in ("/connections?state=gone", "/workflows?state=refused", "/endpoints?state=x"):
        assert "is none of" in await console.get(path, 400)


async def test_no_page_costs_more_than_its_rows(console: ConsolePages) -> None:
    """Nor carries all names, as likely values of a filter."""
    for path in PATHS:
        began_s = time.process_time()
        text = await console.get(path)
        assert time.process_time() - began_s < CPU_S, path
        assert len(text) < MOST_CHARS, path
