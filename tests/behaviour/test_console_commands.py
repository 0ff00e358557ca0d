"""The pages of commands: the list, and one of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiokafka.errors import KafkaConnectionError
from markupsafe import escape
from sqlalchemy import insert

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.index import tables
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import CLIENT_SECRET, HOSTILE, ago, command_rows

WAITS = "/commands/0/evt_1Sample000%3Athank-big-spenders%3Adeposit"
FAILED = "/commands/2/evt_1Sample002%3Awelcome-deposit%3Adeposit"
DONE = "/commands/1/evt_1Sample001%3Alook-at-disputes%3Adeposit"
UNCLEAR = "/commands/1/order-4711"
HOSTILE_IDS = (
    "a/b",
    "a/../b",
    "a b",
    'a"b',
    "a'b",
    "a?b#c",
    "a%2Fb",
    "a\nb",
    "a\u202eb",
    "<script>x</script>",
    "..",
    ".",
)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def add(console: ConsolePages, **changed: object) -> None:
    row = {**command_rows()[-1], **changed}
    await console.index.change(lambda db: db.execute(insert(tables.command), [row]) and None)


FILTERS = (
    ("status=failed", 11),
    (f"action=stripe/create-customer&since={ago(60)}", 9),
    ("connection=globex", 1),
    ("code=RATE_LIMITED", 1),
    ("from=other+teams", 1),
    ("from=runs&status=waiting", 1),
    ("key=order-4711", 1),
    ("run=evt_1Sample003%3Athank-big-spenders", 2),
    ("id=order-4711", 1),
    ("account=acct_1Connected", 20),
    ("until=24h", 1),
)


async def test_commands_are_filtered_by_each_field(console: ConsolePages) -> None:
    for query, found in FILTERS:
        assert (await console.get(f"/commands?{query}")).count("<tr>") == 1 + found, query


async def test_every_command_is_on_one_of_the_pages(console: ConsolePages) -> None:
    address, seen = "/commands", 0
    while address:
        text = await console.get(address)
        seen += text.count("<tr>") - 1
        address = "/commands" + text.split('class="button" href="')[1].split('"')[0] if 'class="more"' in text else ""
    assert seen == 121


async def test_a_command_that_waits_says_for_what(console: ConsolePages) -> None:
    text = await console.get(WAITS)
    assert "its next attempt, when it is due" in text
    assert "<dt>Attempts</dt><dd>3; the last: RATE_LIMITED: too many requests" in text
    assert "nothing: it is the first" in text
    assert "pass <time" in text


async def test_its_waits_and_its_results_are_listed(console: ConsolePages) -> None:
    text = await console.get("/commands/0/evt_1Sample000:thank-big-spenders:deposit")
    assert text.index("Waited in tier") < text.rindex(" after attempt 3")
    assert "Attempts and results" not in await console.get("/commands/1/order-4711")


async def test_commands_before_it_in_its_key_are_counted(console: ConsolePages) -> None:
    for number in (1, 2):
        await add(console, command_id=f"before-{number}", number=0, status="sent", key="pi_000", command_offset=-number)
    await add(console, command_id="elsewhere", number=1, status="sent", key="pi_000", command_offset=-1)
    text = await console.get(WAITS)
    assert "2 earlier commands of its key" in text
    assert "<dt>Behind its key</dt><dd>2 earlier commands" in text


async def test_a_failed_command_says_why_in_words(console: ConsolePages) -> None:
    text = await console.get(FAILED)
    assert "The payment was declined: the payer needs another payment method." in text
    assert "<code>insufficient_funds</code>" in text
    assert 'href="https://dashboard.stripe.com/test/logs/req_1Sample"' in text
    assert '<a href="/dead-letters/2/2">2/2</a>' in text


async def test_a_result_is_shown_masked(console: ConsolePages) -> None:
    text = await console.get(DONE)
    assert "&#34;amount&#34;: 100" in text
    assert CLIENT_SECRET not in text
    assert 'href="https://dashboard.stripe.com/test/payments/pi_9001"' in text


async def test_a_viewer_sees_no_payload_of_a_command(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    text = await console.get(FAILED) + await console.get(WAITS)
    console.records.known.clear()
    text += await console.get(FAILED) + await console.get(UNCLEAR)
    assert "did not answer within 30 s" not in text
    assert "Payloads need the role reader." in text
    assert "&#34;amount&#34;" not in text
    assert "Your card was declined." not in text
    assert "too many requests" not in text


async def test_a_command_of_another_team_says_so(console: ConsolePages) -> None:
    text = await console.get(UNCLEAR)
    assert "another team, or by hand" in text
    assert "It may have been done, and was not found at Stripe" in text


async def test_the_same_id_on_two_partitions_is_two(console: ConsolePages) -> None:
    await add(console, number=3, status="succeeded", code=None, key="other")
    assert (await console.get("/commands?id=order-4711")).count("<tr>") == 1 + 2
    assert "succeeded</span>" in await console.get("/commands/3/order-4711")
    assert "indeterminate</span>" in await console.get(UNCLEAR)


async def test_a_listed_command_leads_to_its_page(console: ConsolePages) -> None:
    for command_id in HOSTILE_IDS:
        await add(console, command_id=command_id, key=f"key of {command_id}", error=HOSTILE)
        text = await console.get(f"/commands?key={quote(f'key of {command_id}')}")
        address = text.split('<td class="named"><a href="')[1].split('"')[0].replace("&amp;", "&")
        page = await console.get(address)
        assert f'data-copy="{escape(command_id)}"' in page
        assert "<script>" not in page
        assert "\u202e" not in page.replace(f'data-copy="{escape(command_id)}"', "")


async def test_an_id_with_a_secret_is_not_shown(console: ConsolePages) -> None:
    await add(console, command_id="sk_live_abcdefghijklmnop", key="hostile")
    assert "sk_live_abcdefghijklmnop" not in await console.get("/commands?key=hostile")


async def test_what_kafka_does_not_give_is_said(tmp_path: Path) -> None:
    class Away:
        async def at(self, *_: object) -> None:
            raise TimeoutError("no broker answered")

        async def many(self, _: object) -> dict[tuple[str, int, int], object]:
            raise TimeoutError("no broker answered")

    async with console_pages(tmp_path, records=Away()) as pages:
        text = await pages.get(WAITS)
        assert "Kafka did not give its records: no broker answered" in text
        assert "Its next attempt is due" in text


async def test_kafka_that_is_away_fails_no_page(tmp_path: Path) -> None:
    """Its errors are aiokafka's, as `RecordFetch` raises them."""

    class Away:
        async def many(self, _: object) -> dict[tuple[str, int, int], object]:
            raise KafkaConnectionError("no broker")

    async with console_pages(tmp_path, records=Away()) as pages:
        for path in (WAITS, "/runs/evt_1Sample002:welcome-deposit", "/events/evt_1Sample002"):
            assert "KafkaConnectionError: no broker" in await pages.get(path)


async def test_a_record_of_something_else_is_not_shown(console: ConsolePages) -> None:
    command, other = (Topics().command, 1, 500), (Topics().command, 1, 3)
    console.records.known[command] = console.records.known[other]
    assert "&#34;amount&#34;: 100" not in await console.get(UNCLEAR)


@pytest.mark.parametrize(
    "path", ["/commands/0/none", "/commands/x/order-4711", "/commands/²/order-4711", "/commands/1"]
)
async def test_an_unknown_command_leads_to_the_search(console: ConsolePages, path: str) -> None:
    assert "Back to the search" in await console.get(path, status=404)


async def test_a_bad_filter_of_commands_has_a_way_back(console: ConsolePages) -> None:
    assert 'href="/commands">Back to Commands' in await console.get("/commands?status=gone", status=400)
