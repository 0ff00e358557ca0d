"""What the demo has read from the topics so far: records for the final checks, and one line for each to show."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.topics import Topics
from stripeline.deploy.local.reconciliation import EndedCommand, EndState, SentCommand
from stripeline.deploy.operations.reading.topic_reader import Read

Show = Callable[[str, str, str], None]
"""Shows one line: what it is about, the name of its case, and a text."""


@dataclass(slots=True)
class Observations:
    """Every record that the demo has read, and what it has sent.

    names: the case of each event.
    hidden: a case that is counted and has no lines of its own.
    sent: how often each case was sent, in the order of the first.
    answers: ingest's last answer to a case.
    waiting: why a command waits, by its id.
    dead: the reasons of dead letters, by their keys.
    """

    topics: Topics
    show: Show
    hidden: str = ""
    names: dict[str, str] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    answers: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    commands: list[SentCommand] = field(default_factory=list)
    runs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    results: list[Mapping[str, Any]] = field(default_factory=list)
    retries: int = 0
    dead_letters: list[EndedCommand] = field(default_factory=list)

    def take(self, read: Read) -> None:
        """Count one record, and show it."""
        if read.topic == self.topics.run:
            if read.value is not None:  # a task's first append, by which it learns Kafka's time
                self._run(orjson.loads(read.value))
        elif read.topic == self.topics.result:
            self._result(orjson.loads(read.value or b"{}"))
        elif read.topic in self.topics.retries:
            self._retry(read)
        elif read.topic == self.topics.dead_letter:
            reason = h.text(read.headers, h.REASON) or ""
            self.dead_letters.append(_ended(reason, read))
            self.dead[_key(read)] = reason
            self.show("dead letter", _key(read), reason)
        elif read.topic == self.topics.command:
            self._command(read)
        else:
            event = orjson.loads(read.value or b"{}")
            self.events.append(event["id"])
            self._line("event", event["id"], f"{event['type']} {event['id']}")

    def _run(self, run: Mapping[str, Any]) -> None:
        self.runs[run["run"]] = run
        error = run["error"] or {}
        how = f"stopped at {run['step']}: {error.get('code')}" if run["status"] == "stopped" else run["status"]
        at = f" at {run['step']}" if run["status"] == "running" else ""
        self._line("run", run["event"], f"{run['workflow']} {how}{at}")

    def _command(self, read: Read) -> None:
        command = parse_command(read.value)
        if isinstance(command, Command):
            self.commands.append(SentCommand(id=command.command_id, key=read.key, of_a_run=command.run is not None))

    def _retry(self, read: Read) -> None:
        self.retries += 1
        command = parse_command(read.value)
        if isinstance(command, Command):
            code = (h.text(read.headers, h.LAST_ERROR) or "").partition(":")[0]
            why = f"{self.topics.retries[read.topic].name} after {code}"
            self.waiting[command.command_id] = why
            self._line("retry", command.command_id, f"{_step(command.command_id)} waits {why}")

    def _result(self, result: Mapping[str, Any]) -> None:
        self.results.append(result)
        outcome = (result["output"] or {}).get("id") or (result["error"] or {}).get("code")
        command = result["command_id"]
        what = _step(command) if result["run"] else result["action"].removeprefix("stripe/")
        again = f", attempt {result['attempts']}" if result["attempts"] > 1 else ""
        self._line("result", command, f"{what}: {outcome}{again}")

    def _line(self, kind: str, about: str, text: str) -> None:
        """About an event, or a command, whose id begins with its event's."""
        name = self.names.get(about.partition(":")[0], about)
        if name != self.hidden:
            self.show(kind, name, text)

    @property
    def running(self) -> int:
        return sum(run["status"] == "running" for run in self.runs.values())

    @property
    def twice(self) -> list[str]:
        """Commands with more than one result of a revision."""
        counts = Counter((result["command_id"], result["revision"]) for result in self.results)
        return [command for (command, _), count in counts.items() if count > 1]

    def end_state(self, effects: Sequence[Mapping[str, Any]]) -> EndState:
        return EndState(
            events=self.events, commands=self.commands, runs=self.runs, results=self.results,
            dead_letters=self.dead_letters, effects=effects,
        )  # fmt: skip


def _ended(reason: str, read: Read) -> EndedCommand:
    command = parse_command(read.value)
    return EndedCommand(
        reason=reason, value=read.value or b"", command_id=command.command_id if isinstance(command, Command) else None
    )


def _key(read: Read) -> str:
    return (read.key or b"-").decode("utf-8", "replace")


def _step(command_id: str) -> str:
    return command_id.rpartition(":")[2]
