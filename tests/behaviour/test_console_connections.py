"""The pages of connections: who is in trouble comes first, a key is never shown, and an act asks before it is done."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from stripeline.contracts.definitions import Definitions, Endpoint
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.operator.control_records import KeyRefusal, Pause
from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.index.queries import connections as queries
from stripeline.deploy.operations.status.facts import WaitingCommands
from stripeline.deploy.operations.status.workers import Workers
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import HOSTILE, HOUR, NOW_MS
from tests.support.status_facts import SEALED, instance

SECRET_PART = SEALED.rpartition(":")[2]


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def test_trouble_comes_before_the_list(console: ConsolePages) -> None:
    text = await console.get("/connections")
    trouble = text.index("is paused by ada@example.com")
    assert text.index("acct_1Globex") < trouble < text.index("<table")
    assert 'href="/connections/globex/resume">Resume it' in text


async def test_an_endpoint_says_where_it_is_reached_and_its_trouble(console: ConsolePages) -> None:
    assert 'href="/endpoints">Endpoints (1)' in await console.get("/connections")
    row = await console.get("/endpoints")
    assert "https://hooks.example.com/webhooks/shop" in row
    assert "is disabled at Stripe (Disabled by Stripe: your server answered 500)" in row
    assert "acme-charges, acme-customers" in row
    assert f'datetime="{rfc3339(NOW_MS - 40 * 60_000)}"' in row
    console.pausing.definitions = replace(console.pausing.definitions, endpoints={})
    assert 'href="/endpoints"' not in await console.get("/connections")
    assert "There is no endpoint" in await console.get("/endpoints")


async def test_a_viewer_sees_no_act(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    for path in ("/connections", "/connections/globex"):
        text = await console.get(path)
        assert "is paused by ada@example.com" in text
        assert "/resume" not in text


@pytest.mark.parametrize("role", [ConsoleRole.VIEWER, ConsoleRole.READER])
async def test_only_an_operator_pauses_and_resumes(console: ConsolePages, role: ConsoleRole) -> None:
    console.become(role)
    for act in ("pause", "resume"):
        await console.get(f"/connections/acme/{act}", 403)
        await console.post(f"/connections/acme/{act}", {"why": "x"}, 403)
    assert console.pausing.done == []


async def test_no_page_shows_a_sealed_key(console: ConsolePages) -> None:
    for path in ("/connections", "/connections/acme", "/connections/acme/pause", "/connections/globex/resume"):
        text = await console.get(path)
        assert SECRET_PART not in text
        assert "sealed:" not in text
    assert "sk_test_…wxyz" in await console.get("/connections/acme")


async def test_a_connection_shows_what_waits_and_fails(console: ConsolePages) -> None:
    text = await console.get("/connections/acme")
    assert "1 wait, 1 of them after an attempt" in text
    assert "RATE_LIMITED" in text
    assert "/commands?connection=acme&amp;status=failed&amp;code=PAYMENT_REQUIRED&amp;since=24h" in text
    assert "/webhooks/acme-payments" in text
    assert 'href="/workflows/thank-big-spenders"' in text


async def test_a_trigger_says_when_stripe_reached_it_last(tmp_path: Path) -> None:
    """By its own path or by an endpoint's, whichever was later, at any process."""
    ago = {"acme-payments": NOW_MS - HOUR, "shop": NOW_MS - 3_000, "other": NOW_MS - 1_000}
    came = Workers(instances=(instance("ingest", reached=ago), instance("ingest", "old")), now_ms=NOW_MS)
    endpoint = Endpoint(connection="acme", triggers=("acme-payments",), url="https://hooks.example.com")
    async with console_pages(tmp_path, workers=lambda: came) as pages:
        text = await pages.get("/connections/acme")
        assert f'datetime="{rfc3339(ago["acme-payments"])}"' in text
        assert rfc3339(ago["other"]) not in text
        pages.pausing.definitions = replace(pages.pausing.definitions, endpoints={"shop": endpoint})
        assert f'datetime="{rfc3339(ago["shop"])}"' in await pages.get("/connections/acme")


async def test_a_command_that_comes_meanwhile_breaks_no_page(
    console: ConsolePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page asks the index more than once, and the index moves on between two of its questions."""
    monkeypatch.setattr(queries, "waiting_commands", lambda *_: lambda _: {})
    text = await console.get("/connections/acme")
    assert "The commands that wait longest" in text


async def test_its_acts_are_on_its_page(console: ConsolePages) -> None:
    text = await console.get("/connections/globex")
    assert "pause_connection" in text
    assert "the client&#39;s key is being rolled" in text


async def test_a_pause_says_first_what_it_would_do(console: ConsolePages) -> None:
    console.pausing.counted = WaitingCommands(
        connection="acme", count=5, first_ms=NOW_MS - 25 * HOUR, attempted=2, passed=1, horizon_ms=NOW_MS - HOUR,
        example="order-1",
    )  # fmt: skip
    text = await console.get("/connections/acme/pause")
    assert "Commands that wait: 5. 2 of them may have been attempted, and are not sent after 23 hours" in text
    assert "1 command passed the 23 hours already" in text
    assert console.pausing.done == []


async def test_a_pause_needs_a_reason(console: ConsolePages) -> None:
    assert "Write why" in await console.post("/connections/acme/pause", {"why": "  "}, 400)
    assert console.pausing.done == []


async def test_a_pause_is_signed_and_shown(console: ConsolePages) -> None:
    assert await console.post("/connections/acme/pause", {"why": HOSTILE}) == "/connections/acme"
    ((act, name, signed),) = console.pausing.done
    assert (act, name, signed.by, signed.why) == ("pause connection", "acme", "ada@example.com", HOSTILE)
    text = await console.get("/connections/acme")
    assert "paused</span>" in text
    assert HOSTILE not in text


async def test_a_resume_ends_a_pause(console: ConsolePages) -> None:
    assert "It was paused by ada@example.com" in await console.get("/connections/globex/resume")
    assert await console.post("/connections/globex/resume", {"why": ""}) == "/connections/globex"
    assert "connection/globex" not in console.pausing.definitions.pauses


async def test_a_refused_key_is_tried_by_a_resume(console: ConsolePages) -> None:
    stored = console.pausing.definitions
    refusal = KeyRefusal(key_name=stored.connections["acme"].key_name, since_ms=NOW_MS - HOUR)
    console.pausing.definitions = replace(stored, key_refusals={"acme": refusal})
    assert "refused</span>" in await console.get("/connections/acme")
    assert "asks Stripe with one call" in await console.get("/connections/acme/resume")


async def test_an_act_that_can_not_be_done_says_why(console: ConsolePages) -> None:
    assert "is not paused" in await console.get("/connections/acme/resume", 409)
    assert "is paused already" in await console.post("/connections/globex/pause", {"why": "x"}, 409)


async def test_an_act_that_kafka_did_not_take_says_so(console: ConsolePages) -> None:
    console.pausing.failing = TimeoutError()
    assert "could not be counted now" in await console.get("/connections/acme/pause")
    assert "it is not known whether this was done" in await console.post("/connections/acme/pause", {"why": "x"}, 409)


async def test_a_name_that_is_none_is_harmless(console: ConsolePages) -> None:
    for path in ("/connections/%3Cb%3Ex", "/connections/%3Cb%3Ex/pause"):
        text = await console.get(path, 404)
        assert "No connection is named &lt;b&gt;x" in text or "There is no such connection" in text
        assert "<b>x" not in text


async def test_hostile_pauses_are_text(console: ConsolePages) -> None:
    stored = console.pausing.definitions
    held = Pause(by="<i>me</i>", why=HOSTILE, at_ms=NOW_MS)
    console.pausing.definitions = replace(stored, pauses={"connection/acme": held})
    for path in ("/connections", "/connections/acme", "/connections/acme/resume"):
        text = await console.get(path)
        assert "<i>me" not in text
        assert HOSTILE not in text


async def test_an_empty_installation_says_what_to_do(console: ConsolePages) -> None:
    console.pausing.definitions = Definitions()
    assert "stripeline apply FILE" in await console.get("/connections")


async def test_events_that_never_came_are_on_its_page(console: ConsolePages) -> None:
    swept = SweptSince(trigger="a", kind="stripe/payment-event", payload="snapshot", types=("a",), since_s=0)
    sweep = Sweep(
        mode="test", triggers=(swept,), settled_upto_s=NOW_MS // 1000 - 900, closed_upto_s=NOW_MS // 1000 - 259_200,
        at_ms=NOW_MS, missing=3, settled_missing=7,
    )  # fmt: skip
    console.pausing.definitions = replace(console.pausing.definitions, sweeps={"acme": sweep})
    text = await console.get("/connections/acme")
    assert "7 in the last window" in text
    assert "3 in the last one for good" in text
    assert "3 events of connection acme had not come after three days" in text
    assert 'href="/events?connection=acme">Look at its events' in text
    assert "3 events of connection acme had not come" in await console.get("/")
