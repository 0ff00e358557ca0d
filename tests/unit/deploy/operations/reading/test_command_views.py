"""A command by its id (case O12): its state, what it waits for, its place, when its 23 hours pass, what to do next."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import LedgerCommand, LedgerQueue
from stripeline.contracts.operator.control_records import KeyRefusal, Pause
from stripeline.contracts.records import Command, Result
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.operations.reading.command_history import CommandHistory, WaitingCommand, ahead_of
from stripeline.deploy.operations.reading.command_views import command_view, waiting_view
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.views import DeadLetter
from tests.support.records import command
from tests.support.status_facts import definitions

NOW_MS = 1_800_000_000_000
TOPICS = Topics()
RETRY = "stripe.action-retry.1h"
KNOWN = LedgerCommand(status="waiting", digest="d", revision=0, at_ms=NOW_MS)
PAUSE = Pause(by="ada", why="asked", at_ms=NOW_MS - 60_000)
KEY_NAME = definitions().connections["acme"].key_name
REFUSAL = KeyRefusal(key_name=KEY_NAME, since_ms=NOW_MS)


def waiting(*, topic: str = RETRY, key: bytes | None = b"k1", queue: LedgerQueue | None = None, **given: Any) -> Any:
    known, fields = given.pop("known", KNOWN), given.pop("fields", {})
    named = {h.ATTEMPT: b"2", h.DUE_AT: str(NOW_MS + 5_000).encode(), h.LAST_ERROR: b"429 sk_live_abcdefghijk", **given}
    body = command("c1", **fields)
    record = Read(
        topic=topic, partition=3, offset=7, at_ms=NOW_MS - 1_000, key=key, value=orjson.dumps(body), headers=named
    )
    ahead = ahead_of(record, queue)
    return WaitingCommand(record=record, command=Command.model_validate(body), known=known, ahead=ahead)


def history(**given: Any) -> CommandHistory:
    base = CommandHistory(
        command_id="c1", partition=3, waiting=None, known=None, results=(), letters=(), definitions=definitions()
    )
    return replace(base, **given)


def viewed(one: WaitingCommand, stored: Definitions | None = None) -> dict[str, Any]:
    return waiting_view(TOPICS, one, stored or definitions(), NOW_MS)


def result(status: str = "succeeded", *, run: bool = False) -> Result:
    error = {"code": "PAYMENT_REQUIRED", "message": "declined", "retryable": False}
    named = {"run_id": "evt_1:w", "workflow": "w", "step": "s"}
    return Result.model_validate({
        "command_id": "c1", "revision": 0, "action": "stripe/create-customer", "connection": "acme", "status": status,
        "output": {} if status == "succeeded" else None, "error": None if status == "succeeded" else error,
        "attempts": 1, "started_at": NOW_MS - 9, "finished_at": NOW_MS, "run": named if run else None,
    })  # fmt: skip


def letter(state: LetterState) -> DeadLetter:
    return DeadLetter(read=waiting().record, command=waiting().command, state=state)


def test_a_waiting_command_shows_attempts_error_due_and_place() -> None:
    found = viewed(waiting(**{h.PLACE: b"5"}, queue=LedgerQueue(3, 9, NOW_MS)))
    assert (found["attempts"], found["due_at"], found["ahead"]) == (2, "2027-01-15T08:00:05.000Z", 2)
    assert found["last_error"] == "429 sk_live_…masked"
    assert found["waits_for"] == "2 earlier commands of its key"
    assert (found["key"], found["topic"]) == ("k1", RETRY)


def test_the_head_of_its_key_has_none_ahead() -> None:
    found = viewed(waiting(**{h.PLACE: b"3"}, queue=LedgerQueue(3, 9, NOW_MS)))
    assert (found["ahead"], found["waits_for"]) == (0, "its next attempt, when it is due")
    assert viewed(waiting(**{h.PLACE: b"4"}, queue=LedgerQueue(3, 9, 0)))["waits_for"] == "1 earlier command of its key"


@pytest.mark.parametrize(
    ("one", "stored", "words"),
    [
        (waiting(), definitions(pauses={"connection/acme": PAUSE}), "connection acme to be resumed: ada paused it at"),
        (waiting(), definitions(key_refusals={"acme": REFUSAL}), "a key of connection acme that Stripe accepts"),
        (waiting(), Definitions(), "connection acme, which is not defined"),
        (
            waiting(fields={"account": "acct_1"}), definitions(key_refusals={"acme/acct_1": REFUSAL}),
            "access to account acct_1",
        ),
        (
            waiting(known=LedgerCommand(status="waiting", digest="d", revision=0, at_ms=1, look_at_ms=NOW_MS + 1)),
            definitions(), "its look-up at Stripe at 2027-01-15T08:00:00.001Z",
        ),
        (
            waiting(known=LedgerCommand(status="waiting", digest="d", revision=0, at_ms=1, turn_ms=NOW_MS + 1)),
            definitions(), "its turn at 2027-01-15T08:00:00.001Z: connection acme is at its rate limit",
        ),
        (waiting(known=None), definitions(), "its next attempt, when it is due"),
        (waiting(**{h.DUE_AT: b"5"}), definitions(), "an executor"),
        (waiting(topic="stripe.action-command"), definitions(), "an executor"),
    ],
)  # fmt: skip
def test_what_a_command_waits_for_is_the_first_that_holds(one: Any, stored: Definitions, words: str) -> None:
    assert viewed(one, stored)["waits_for"].startswith(words)


def test_23_hours_count_from_the_first_attempt() -> None:
    tried = LedgerCommand(status="waiting", digest="d", revision=0, at_ms=1, tried_ms=NOW_MS - 500)
    assert viewed(waiting(known=tried))["passes_23h_at"] == h.rfc3339(NOW_MS - 500 + HORIZON_MS)
    assert viewed(waiting(known=None))["passes_23h_at"] == h.rfc3339(NOW_MS - 1_000 + HORIZON_MS)
    assert viewed(waiting(**{h.ATTEMPT: b"0"}))["passes_23h_at"] is None


def test_headers_of_others_count_for_nothing() -> None:
    found = viewed(waiting(topic="stripe.action-command", key=None))
    assert (found["attempts"], found["due_at"], found["last_error"], found["key"]) == (0, None, None, None)


def shown(**given: Any) -> dict[str, Any]:
    return command_view(TOPICS, history(**given), NOW_MS)


def test_the_state_of_a_command() -> None:
    ended = LedgerCommand(status="failed", digest="d", revision=0, at_ms=NOW_MS)
    assert shown(waiting=waiting())["state"] == "waiting"
    assert shown(waiting=waiting(topic="stripe.action-command"))["state"] == "sent"
    assert shown(known=ended)["state"] == "failed"
    assert shown(results=(result(),))["state"] == "succeeded"
    assert shown(letters=(letter(LetterState.OPEN),))["state"] == "unknown"


def test_results_and_dead_letters_are_shown() -> None:
    found = shown(results=(result("failed"),), letters=(letter(LetterState.OPEN),))
    assert found["results"][0]["finished_at"] == "2027-01-15T08:00:00.000Z"
    assert (found["last_error"], found["attempts"]) == ("declined", 1)
    assert found["dead_letters"][0]["command_id"] == "c1"
    assert (found["action"], found["connection"]) == ("stripe/create-customer", "acme")


def test_the_next_command_fits_the_state() -> None:
    paused = definitions(pauses={"connection/acme": PAUSE})
    assert shown(waiting=waiting(), definitions=paused)["next"] == "stripeline resume connection acme"
    assert shown(waiting=waiting())["next"] is None
    assert shown(waiting=waiting(), definitions=Definitions(pauses={"connection/acme": PAUSE}))["next"] is None
    assert shown(letters=(letter(LetterState.OPEN),))["next"] == "stripeline dead-letters replay --id c1"
    assert shown(letters=(letter(LetterState.REPLAYED),))["next"] is None
    failed = shown(results=(result("failed", run=True),))
    assert (failed["next"], failed["run"]) == ("stripeline runs retry evt_1:w", "evt_1:w")
    assert shown(results=(result(),))["next"] is None
    assert shown(results=(result("failed"),))["next"] is None
