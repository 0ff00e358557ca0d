"""The desk of dead letters: which are shown, how they are grouped, and what one says."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from sqlalchemy import insert

from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.index import tables
from stripeline.deploy.operations.reading.topic_reader import Read
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import CLIENT_SECRET, HOSTILE, NOW_MS, TOPICS


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


def letters(text: str) -> int:
    return text.partition('<tbody id="rows">')[2].count("<tr>")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 13),
        ("?state=", 14),
        ("?state=dismissed", 1),
        ("?code=INDETERMINATE", 1),
        ("?reason=unreadable", 1),
        ("?connection=globex&state=", 2),
        ("?id=order-4711", 1),
        ("?since=3h", 5),
        ("?customer=cus_2", 2),
        ("?account=acct_1Connected", 2),
        ("?action=stripe/create-customer&state=", 1),
        ("?key=order-4711", 1),
    ],
)
async def test_a_filter_shows_only_its_letters(console: ConsolePages, query: str, count: int) -> None:
    assert letters(await console.get(f"/dead-letters{query}")) == count


async def test_a_state_that_is_none_is_explained(console: ConsolePages) -> None:
    text = await console.get("/dead-letters?state=opne", status=400)
    assert "State: &#39;opne&#39; is none of open, replayed, settled, superseded, dismissed" in text


async def test_letters_are_counted_by_reason_and_code(console: ConsolePages) -> None:
    text = await console.get("/dead-letters")
    assert 'href="?state=open&amp;reason=failed&amp;code=PAYMENT_REQUIRED"' in text
    assert "13 letters match" in text
    groups = text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert [one.partition("<")[0] for one in groups.split('<td class="number">')[1::4]] == ["11", "1", "1"]


async def test_every_letter_is_on_one_of_the_pages(console: ConsolePages) -> None:
    """Of one moment, too: a skipped batch of a page would never be seen."""
    rows = [{"number": one % 4, "offset": 1000 + one, "state": "open", "at_ms": NOW_MS} for one in range(120)]
    await console.index.change(lambda db: db.execute(insert(tables.letter), rows).rowcount)
    found, address = list[str](), "/dead-letters"
    for _ in range(3):
        text = await console.get(address)
        found += re.findall(r'href="/dead-letters/([0-9]+/[0-9]+)"', text)
        older = re.search(r'class="more"><a class="button" href="([^"]+)"', text)
        address = "/dead-letters" + unescape(older[1] if older else "")
    assert len(found) == len(set(found)) == 120 + 13


async def test_one_letter_says_what_a_replay_would_do(console: ConsolePages) -> None:
    text = await console.get("/dead-letters/1/900")
    assert "is looked up at Stripe, and not sent, if its first attempt was more than 23 h ago" in text
    assert "stripeline:demo:order-4711" in text
    assert "4200" in text


async def test_the_acts_on_a_letter_are_shown(console: ConsolePages) -> None:
    assert "charged by hand" in await console.get("/dead-letters/3/902")
    assert "charged by hand" not in await console.get("/dead-letters/1/900")


async def test_a_viewer_sees_the_desk_and_no_payload(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    assert letters(await console.get("/dead-letters")) == 13
    text = await console.get("/dead-letters/1/900")
    assert "need the role reader" in text
    assert "4200" not in text
    assert "did not answer within 30 s" not in text


@pytest.mark.parametrize("path", ["/dead-letters/1/99", "/dead-letters/1/x", f"/dead-letters/1/{'9' * 40}"])
async def test_a_letter_that_is_not_there_is_explained(console: ConsolePages, path: str) -> None:
    assert "There is no such dead letter" in await console.get(path, status=404)


async def test_hostile_text_in_a_letter_is_text(console: ConsolePages) -> None:
    text = await console.get("/dead-letters/2/901")
    assert HOSTILE not in text
    assert "\x1b" not in text


async def test_no_secret_of_a_letter_is_shown(console: ConsolePages) -> None:
    place = (TOPICS.dead_letter, 1, 900)
    known = console.records.known[place]
    value = (known.value or b"").replace(b'"currency"', f'"client_secret":"{CLIENT_SECRET}","currency"'.encode())
    console.records.known[place] = replace(known, value=value)
    text = await console.get("/dead-letters/1/900")
    assert "client_secret" in text
    assert CLIENT_SECRET not in text


async def test_personal_data_of_a_letter_is_masked(console: ConsolePages) -> None:
    place = (TOPICS.dead_letter, 1, 900)
    known = console.records.known[place]
    value = (known.value or b"").replace(b'"currency"', b'"receipt_email":"payer@example.com","currency"')
    console.records.known[place] = replace(known, value=value)
    text = await console.get("/dead-letters/1/900")
    assert "receipt_email" in text
    assert "payer@example.com" not in text


async def test_a_payload_above_512_kib_is_not_shown(console: ConsolePages) -> None:
    place = (TOPICS.dead_letter, 2, 901)
    console.records.known[place] = replace(console.records.known[place], value=b"x" * 600_000)
    text = await console.get("/dead-letters/2/901")
    assert "stripeline dead-letters show 2/901" in text
    assert "x" * 1000 not in text


class SilentRecords:
    async def at(self, topic: str, partition: int, offset: int) -> Read | None:
        raise KafkaConnectionError(topic)

    async def many(self, places: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int, int], Read]:
        raise KafkaConnectionError(places)


async def test_a_letter_is_shown_without_kafka(tmp_path: Path) -> None:
    async with console_pages(tmp_path, records=SilentRecords()) as console:
        text = await console.get("/dead-letters/1/900")
    assert "Kafka did not answer" in text
    assert "order-4711" in text
