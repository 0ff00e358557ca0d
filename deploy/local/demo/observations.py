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

Show = Callable[[str, str], None]


@dataclass(slots=True)
class Observations:
    """Every record that the demo has read. not_shown: events that are counted only."""

    topics: Topics
    show: Show
    not_shown: set[str] = field(default_factory=set)
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
            self.retries += 1
            code = (h.text(read.headers, h.LAST_ERROR) or "").partition(":")[0]
            self.show("retry", f"{_key(read)} waits in {self.topics.retries[read.topic].name} after {code}")
        elif read.topic == self.topics.dead_letter:
            reason = h.text(read.headers, h.REASON) or ""
            self.dead_letters.append(_ended(reason, read))
            self.show("dead letter", f"{_key(read)}: {reason}")
        elif read.topic == self.topics.command:
            self._command(read)
        else:
            event = orjson.loads(read.value or b"{}")
            self.events.append(event["id"])
            if event["id"] not in self.not_shown:
                self.show("event", f"{event['type']} {event['id']} on {read.topic}-{read.partition}")

    def _run(self, run: Mapping[str, Any]) -> None:
        self.runs[run["run"]] = run
        error = run["error"] or {}
        how = f"stopped at {run['step']}: {error.get('code')}" if run["status"] == "stopped" else run["status"]
        at = f" at {run['step']}" if run["status"] == "running" else ""
        if run["event"] not in self.not_shown:
            self.show("run", f"{run['workflow']} {how}{at}")

    def _command(self, read: Read) -> None:
        command = parse_command(read.value)
        if isinstance(command, Command):
            self.commands.append(SentCommand(id=command.command_id, key=read.key, of_a_run=command.run is not None))

    def _result(self, result: Mapping[str, Any]) -> None:
        self.results.append(result)
        outcome = (result["output"] or {}).get("id") or (result["error"] or {}).get("code")
        if result["command_id"].partition(":")[0] not in self.not_shown:
            self.show("result", f"{result['action']} {result['status']}: {outcome}, attempt {result['attempts']}")

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
