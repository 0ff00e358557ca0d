"""The pages of workflows: what each did, its versions, what it would do with an event, and pauses that ask first."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stripeline.contracts.definitions import Step, Trigger, Workflow
from stripeline.contracts.limits import HOUR_MS
from stripeline.contracts.operator.control_records import Pause
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.operations.acts.workflow_resume import Resumed
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import CLIENT_SECRET, HOSTILE, NOW_MS

PATH = "/workflows/thank-big-spenders"


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


def event(**data: Any) -> str:
    written = {"id": "pi_1", "object": "payment_intent", "amount": 9_000, "currency": "eur", **data}
    return example_event("payment_intent.succeeded", written, event_id="evt_Tried").decode()


def define(console: ConsolePages, **workflows: Workflow) -> None:
    stored = console.pausing.definitions
    console.pausing.definitions = replace(stored, workflows={**stored.workflows, **workflows})


async def test_the_list_counts_the_runs_of_a_day(console: ConsolePages) -> None:
    text = await console.get("/workflows")
    row = text.split('href="/workflows/thank-big-spenders"')[1].split("</tr>")[0]
    assert [cell.split("<")[0] for cell in row.split('<td class="number">')[1:]] == ["20", "15", "1", "", "0"]
    assert "/runs?workflow=thank-big-spenders&amp;status=stopped&amp;since=24h" in row
    assert "paused</span>" in text.split("welcome-deposit</a>")[1].split("</tr>")[0]


async def test_a_definition_is_shown_as_it_is_written(console: ConsolePages) -> None:
    text = await console.get(PATH)
    assert "\n    where: data.amount &gt;= 5000\n" in text
    assert (
        "\n    - id: deposit\n      action: stripe/create-payment-intent\n      input:\n        amount: 100\n" in text
    )


async def test_versions_say_who_changed_what_and_why(console: ConsolePages) -> None:
    text = await console.get(PATH)
    assert "<del>data.amount &gt;= 100</del>" in text
    assert "<ins>data.amount &gt;= 5000</ins>" in text
    assert text.index("only big spenders") < text.index("a campaign")
    assert 'href="/audit/0/4"' in text
    assert HOSTILE not in text


async def test_a_definition_without_a_record_is_told(console: ConsolePages) -> None:
    assert "without a record" not in await console.get(PATH)
    held = console.pausing.definitions.workflows["thank-big-spenders"]
    define(console, **{"thank-big-spenders": held.model_copy(update={"where": "data.amount >= 7"})})
    assert "without a record" in await console.get(PATH)


async def test_a_viewer_sees_no_literal_text_of_an_input(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    for path in (PATH, "/audit/0/4"):
        text = await console.get(path)
        assert "email: =data.receipt_email" in text
        assert "big spender\n" not in text
        assert "old &lt;b&gt;" not in text
        assert "evil.example" not in text


async def test_hostile_definitions_are_text(console: ConsolePages) -> None:
    step = Step(
        id="a", action="stripe/create-customer", input={HOSTILE: ["\x1b[31m\u202e", HOSTILE], "b": "line\n</pre>"}
    )
    hostile = Workflow(trigger="acme-payments", where=f"'{HOSTILE}' == data.x", steps=(step,), owner="team-a")
    define(console, **{"thank-big-spenders": hostile})
    text = await console.get(PATH)
    assert HOSTILE not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert text.count("</pre>") == 1


async def test_a_pasted_event_shows_each_command(console: ConsolePages) -> None:
    text = await console.post(f"{PATH}/try", {"event": event(receipt_email="ada@example.com")}, 200)
    trial = text.split('id="trial"')[1].split("<h2>")[0]
    assert "Starts a run" in trial
    assert "evt_Tried:thank-big-spenders" in trial
    assert trial.index("stripe/create-customer") < trial.index("stripe/create-payment-intent")
    assert console.committed == []


async def test_a_trial_says_what_becomes_of_a_late_event(console: ConsolePages) -> None:
    step = Step(id="first", action="stripe/create-customer", input={"name": "Ada"})
    define(console, **{"thank-big-spenders": Workflow(trigger="acme-payments", steps=(step,), late="hold")})
    assert "late: hold" in await console.get(PATH)
    text = await console.post(f"{PATH}/try", {"event": event()}, 200)
    assert "Were it missed and found later: held for a person (late: hold)." in text


async def test_an_event_that_starts_nothing_says_why(console: ConsolePages) -> None:
    assert "Not started: `where` is false" in await console.post(f"{PATH}/try", {"event": event(amount=5)}, 200)
    other = example_event("customer.created", {"id": "cus_1"}, event_id="evt_2").decode()
    text = await console.post(f"{PATH}/try", {"event": other}, 200)
    assert "Its trigger does not take this event: it takes stripe/payment-event" in text


async def test_a_trial_shows_where_a_run_would_stop(console: ConsolePages) -> None:
    steps = (
        Step(id="first", action="stripe/create-customer", input={"name": "Ada"}),
        Step(id="second", action="stripe/create-customer", input={"name": "=data.gone.name"}),
    )
    define(console, **{"thank-big-spenders": Workflow(trigger="acme-payments", steps=steps)})
    text = await console.post(f"{PATH}/try", {"event": event()}, 200)
    assert "Starts a run that stops" in text
    assert "It stops after step first" in text


@pytest.mark.parametrize(
    ("pasted", "says"),
    [
        ("", "Paste an event first."),
        ('{"id": "evt_1",\n  oops}', "it is not JSON: line 2, column 3: expecting property name"),
        ("[1]", "it is not a JSON object"),
        ("{}", "It must be an event"),
        ("[" * 100_000, "it is not JSON"),
        ("1" * 5_000, "it is not JSON"),
        (json.dumps({"id": "x" * (256 * 1024)}), "and can have 256 here"),
    ],
)
async def test_a_text_that_is_no_event_is_explained(console: ConsolePages, pasted: str, says: str) -> None:
    assert says in await console.post(f"{PATH}/try", {"event": pasted}, 200)


async def test_a_tried_event_is_masked_and_not_kept(console: ConsolePages) -> None:
    step = Step(id="a", action="stripe/create-customer", input={"name": "=data.client_secret", "phone": "=data.note"})
    define(console, **{"thank-big-spenders": Workflow(trigger="acme-payments", steps=(step,))})
    key = "sk_live_" + "a1B2" * 8
    text = await console.post(
        f"{PATH}/try", {"event": event(client_secret=CLIENT_SECRET, note=f"{HOSTILE} {key}")}, 200
    )
    assert "Starts a run" in text
    assert CLIENT_SECRET not in text
    assert key not in text
    assert HOSTILE not in text
    assert "evt_Tried" not in await console.get(PATH)


async def test_a_workflow_without_its_trigger_can_not_be_tried(console: ConsolePages) -> None:
    stored = console.pausing.definitions
    triggers: dict[str, Trigger] = {}
    console.pausing.definitions = replace(stored, triggers=triggers)
    assert "is not defined, so no event starts it" in await console.post(f"{PATH}/try", {"event": event()}, 200)
    assert "not defined</span>" in await console.get(PATH)


async def test_a_trial_needs_a_reader(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    assert "needs the role reader" in await console.get(PATH)
    await console.post(f"{PATH}/try", {"event": event()}, 403)
    console.become(ConsoleRole.READER)
    await console.post(f"{PATH}/try", {"event": event()}, 200)


async def test_only_an_operator_pauses_a_workflow(console: ConsolePages) -> None:
    console.become(ConsoleRole.READER)
    assert "Pause…" not in await console.get(PATH)
    for act in ("pause", "resume"):
        await console.get(f"{PATH}/{act}", 403)
        await console.post(f"{PATH}/{act}", {"why": "x", "how": "only"}, 403)
    assert console.pausing.done == []


async def test_a_pause_asks_first_and_needs_a_reason(console: ConsolePages) -> None:
    assert "start no run" in await console.get(f"{PATH}/pause")
    assert "Write why" in await console.post(f"{PATH}/pause", {"why": ""}, 400)
    assert console.pausing.done == []
    assert await console.post(f"{PATH}/pause", {"why": "its where is wrong"}) == PATH
    text = await console.get(PATH)
    assert "its first event can be taken up until" in text
    assert [(act, name, signed.why) for act, name, signed in console.pausing.done] == [
        ("pause workflow", "thank-big-spenders", "its where is wrong")
    ]
    assert "is paused already" in await console.get(f"{PATH}/pause", 409)


async def test_a_pause_that_is_soon_over_is_marked(console: ConsolePages) -> None:
    stored = console.pausing.definitions
    held = Pause(by="ada", why="w", at_ms=NOW_MS, until_ms=NOW_MS + HOUR_MS)
    console.pausing.definitions = replace(stored, pauses={"workflow/thank-big-spenders": held})
    assert "soon over" in await console.get(PATH)


async def test_a_resume_says_what_came_meanwhile(console: ConsolePages) -> None:
    assert "too many deposits" in await console.get("/workflows/welcome-deposit/resume")
    assert await console.post("/workflows/welcome-deposit/resume", {"how": "only"}) == "/workflows/welcome-deposit"
    text = await console.get("/workflows/welcome-deposit")
    assert "12 of the events that came meanwhile started no run. `stripeline runs start welcome-deposit" in text


async def test_a_take_up_starts_what_came(console: ConsolePages) -> None:
    await console.post("/workflows/welcome-deposit/resume", {"how": "take_up", "why": "corrected"})
    assert [act for act, _, _ in console.pausing.done] == ["take up workflow"]
    assert "12 runs of what came since" in await console.get("/workflows/welcome-deposit")


async def test_a_resume_without_a_choice_does_nothing(console: ConsolePages) -> None:
    """A lost field must not decide what becomes of the events that came meanwhile."""
    await console.post("/workflows/welcome-deposit/resume", {"why": "x"}, 400)
    assert console.pausing.done == []


async def test_a_long_take_up_shows_that_it_goes_on(console: ConsolePages, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    held = console.pausing.definitions.pauses["workflow/welcome-deposit"]

    async def slow(*_: Any) -> Resumed:
        begun.set()
        await go_on.wait()
        raise FailureError("No router has taken the acts.")

    monkeypatch.setattr("stripeline.deploy.console.pages.workflow_acts._SOON_S", 0.01)
    monkeypatch.setattr(console.pausing, "resume_workflow", slow)
    await console.post("/workflows/welcome-deposit/resume", {"how": "take_up"})
    await begun.wait()
    text = await console.get("/workflows/welcome-deposit")
    assert "Taking up what came, then resuming welcome-deposit, begun" in text
    assert 'hx-trigger="every 2s"' in text
    assert "already" in await console.post("/workflows/welcome-deposit/resume", {"how": "take_up"}, 409)
    go_on.set()
    await console.sources.acting.settled("workflow welcome-deposit", 10)
    text = await console.get("/workflows/welcome-deposit")
    assert "No router has taken the acts." in text
    assert "every 2s" not in text
    assert console.pausing.definitions.pauses["workflow/welcome-deposit"] is held


async def test_a_workflow_that_is_none_is_said(console: ConsolePages) -> None:
    for path in ("/workflows/none", "/workflows/none/pause", "/workflows/none/resume"):
        assert "There is no such workflow" in await console.get(path, 404)
    assert "There is no such workflow" in await console.post("/workflows/none/try", {"event": event()}, 404)
