"""What the demo has seen on the topics so far: counts for the checks, and one line for each thing that happens."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.topic_reader import Read

Show = Callable[[str, str], None]


@dataclass(slots=True)
class Seen:
    """Everything that stood on the topics."""

    topics: Topics
    show: Show
    quiet: set[str] = field(default_factory=set)
    """Event ids that are counted and not shown."""
    events: list[str] = field(default_factory=list)
    runs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    results: list[Mapping[str, Any]] = field(default_factory=list)
    retries: int = 0
    dead_letters: list[Mapping[str, bytes]] = field(default_factory=list)

    def take(self, read: Read) -> None:
        """Count one record, and show it."""
        if read.topic == self.topics.run:
            self._run(orjson.loads(read.value or b"{}"))
        elif read.topic == self.topics.result:
            self._result(orjson.loads(read.value or b"{}"))
        elif read.topic in self.topics.retries:
            self.retries += 1
            code = (h.text(read.headers, h.LAST_ERROR) or "").partition(":")[0]
            self.show("retry", f"{_key(read)} waits in {self.topics.retries[read.topic].name} after {code}")
        elif read.topic == self.topics.dead_letter:
            self.dead_letters.append(read.headers)
            self.show("dead letter", f"{_key(read)}: {h.text(read.headers, h.REASON)}")
        else:
            event = orjson.loads(read.value or b"{}")
            self.events.append(event["id"])
            if event["id"] not in self.quiet:
                self.show("event", f"{event['type']} {event['id']} on {read.topic}-{read.partition}")

    def _run(self, run: Mapping[str, Any]) -> None:
        self.runs[run["run"]] = run
        error = run["error"] or {}
        how = f"stopped at {run['step']}: {error.get('code')}" if run["status"] == "stopped" else run["status"]
        at = f" at {run['step']}" if run["status"] == "running" else ""
        if run["event"] not in self.quiet:
            self.show("run", f"{run['workflow']} {how}{at}")

    def _result(self, result: Mapping[str, Any]) -> None:
        self.results.append(result)
        told = (result["output"] or {}).get("id") or (result["error"] or {}).get("code")
        if result["command_id"].partition(":")[0] not in self.quiet:
            self.show("result", f"{result['action']} {result['status']}: {told}, attempt {result['attempts']}")

    @property
    def running(self) -> int:
        return sum(run["status"] == "running" for run in self.runs.values())

    @property
    def twice(self) -> list[str]:
        """Commands with more than one result of a revision."""
        counts = Counter((result["command_id"], result["revision"]) for result in self.results)
        return [command for (command, _), count in counts.items() if count > 1]


def _key(read: Read) -> str:
    return (read.key or b"-").decode("utf-8", "replace")
