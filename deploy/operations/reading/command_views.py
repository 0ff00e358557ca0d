"""One command as a person, or a script, sees it: its state, what it waits for, and what to do about it. Pure."""

from collections.abc import Iterator
from shlex import quote
from typing import Any, Final

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions
from stripeline.contracts.headers import rfc3339
from stripeline.contracts.masking import mask, mask_text
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.operations.reading.command_history import CommandHistory, WaitingCommand
from stripeline.deploy.operations.reading.views import dead_letter_view

SENT: Final = "sent"
"""The state of a command that no executor has taken, or that is in a call now."""
WAITING: Final = "waiting"
GONE: Final = "unknown"
"""The ledger does not know it, or knows it no more; there are results or dead letters of it."""


def command_view(topics: Topics, found: CommandHistory, now_ms: int) -> dict[str, Any]:
    """A command as `commands show --json` has it."""
    waiting, last = found.waiting, found.results[0] if found.results else None
    command = waiting.command if waiting else next((one.command for one in found.letters if one.command), None)
    run = (command.run if command else None) or (last.run if last else None)
    about = command or last
    return {
        "command_id": found.command_id,
        "state": state_of(topics, found),
        "action": about.action if about else None,
        "connection": about.connection if about else None,
        "account": about.account if about else None,
        "run": run.run_id if run else None,
        "partition": found.partition,
        **(waiting_view(topics, waiting, found.definitions, now_ms) if waiting else _not_waiting(found)),
        "results": [_result(one) for one in found.results],
        "dead_letters": [dead_letter_view(one) for one in found.letters],
        "next": next_command(found),
    }


def state_of(topics: Topics, found: CommandHistory) -> str:
    """Where a command is in its life: sent, waiting, or how it ended."""
    if found.waiting is not None:
        return WAITING if topics.is_retry(found.waiting.record.topic) else SENT
    if found.known is not None:
        return found.known.status
    return found.results[0].status if found.results else GONE


def waiting_view(topics: Topics, waiting: WaitingCommand, stored: Definitions, now_ms: int) -> dict[str, Any]:
    """What a waiting command waits for, and since when: the fields of `commands show`, and of a step in `runs show`."""
    headers = waiting.record.headers if topics.is_retry(waiting.record.topic) else {}
    due_ms, last_error = h.number(headers, h.DUE_AT), h.text(headers, h.LAST_ERROR)
    first_ms = h.first_appended_ms(waiting.record.headers, waiting.record.at_ms)
    attempts = h.number(headers, h.ATTEMPT) or 0
    tried_ms = waiting.known.tried_ms if waiting.known is not None else None
    since_ms = tried_ms or (first_ms if attempts else None)
    return {
        "key": None if waiting.record.key is None else waiting.record.key.decode("utf-8", "replace"),
        "attempts": attempts,
        "last_error": None if last_error is None else mask_text(last_error),
        "sent_at": rfc3339(first_ms),
        "due_at": None if due_ms is None else rfc3339(due_ms),
        "topic": waiting.record.topic,
        "ahead": waiting.ahead,
        "waits_for": next(_reasons(topics, waiting, stored, now_ms)),
        "passes_23h_at": None if since_ms is None else rfc3339(since_ms + HORIZON_MS),
    }


def _reasons(topics: Topics, waiting: WaitingCommand, stored: Definitions, now_ms: int) -> Iterator[str]:
    """What a command waits for, the first that holds."""
    name, ahead = waiting.command.connection, waiting.ahead
    yield from _of_connection(waiting, stored)
    if ahead:
        yield f"{ahead} earlier {'command' if ahead == 1 else 'commands'} of its key"
    known = waiting.known
    if known is not None and known.look_at_ms is not None and known.look_at_ms > now_ms:
        yield f"its look-up at Stripe at {rfc3339(known.look_at_ms)}: an attempt may have had its effect"
    if known is not None and known.turn_ms is not None and known.turn_ms > now_ms:
        yield f"its turn at {rfc3339(known.turn_ms)}: connection {name} is at its rate limit"
    due_ms = h.number(waiting.record.headers, h.DUE_AT) if topics.is_retry(waiting.record.topic) else None
    if due_ms is not None and due_ms > now_ms:
        yield "its next attempt, when it is due"
    yield "an executor: `stripeline status` says whether one works on its partition"


def _of_connection(waiting: WaitingCommand, stored: Definitions) -> Iterator[str]:
    name, account = waiting.command.connection, waiting.command.account
    if name not in stored.connections:
        yield f"connection {name}, which is not defined: `stripeline apply` a file that has it"
        return
    pause = stored.pauses.get(f"connection/{name}")
    if pause is not None:
        yield f"connection {name} to be resumed: {pause.by} paused it at {rfc3339(pause.at_ms)}: {pause.why}"
    refused = stored.refused(name)
    if None in refused:
        yield f"a key of connection {name} that Stripe accepts: it refuses the present one"
    if account is not None and account in refused:
        yield f"access to account {account}: Stripe refuses it to the key of connection {name}"


def next_command(found: CommandHistory) -> str | None:
    """The command to run next; None where there is nothing to do."""
    if found.waiting is not None:
        name = found.waiting.command.connection
        held = f"connection/{name}" in found.definitions.pauses or found.definitions.refused(name)
        return f"stripeline resume connection {name}" if held and name in found.definitions.connections else None
    successor = None if found.known is None else found.known.superseded_by
    if successor is not None:
        return f"stripeline commands show {quote(successor)}"
    if any(one.state is LetterState.OPEN for one in found.letters):
        return f"stripeline dead-letters replay --id {quote(found.command_id)}"
    run = found.results[0].run if found.results and found.results[0].status == "failed" else None
    return None if run is None else f"stripeline runs retry {quote(run.run_id)}"


def _not_waiting(found: CommandHistory) -> dict[str, Any]:
    last = found.results[0] if found.results else None
    error = last.error if last else None
    return {
        "key": None,
        "attempts": last.attempts if last else None,
        "last_error": None if error is None else mask_text(error.message),
        "sent_at": rfc3339(last.started_at) if last else None,
        "due_at": None,
        "topic": None,
        "ahead": 0,
        "waits_for": None,
        "passes_23h_at": None,
    }


def _result(one: Any) -> dict[str, Any]:
    shown: dict[str, Any] = mask(one.model_dump(mode="json"))
    return {**shown, "started_at": rfc3339(one.started_at), "finished_at": rfc3339(one.finished_at)}
