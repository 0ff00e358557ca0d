"""The next click of each finding: the page of the console where it is looked into, or put right. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from stripeline.deploy.console.index.queries.status_counts import NO_CODE, NO_REASON
from stripeline.deploy.operations.status.finding import FindingKind, StatusFinding


@dataclass(frozen=True, slots=True)
class NextClick:
    """A link to a page of the console."""

    label: str
    address: str


def next_click(found: StatusFinding) -> NextClick:
    return LINKS[found.kind](found.about or "")


def _to(label: str, address: str) -> Callable[[str], NextClick]:
    return lambda _: NextClick(label, address)


def _letters(reason: str) -> NextClick:
    return NextClick("Look at them", _list("/dead-letters", reason="" if reason == NO_REASON else reason))


def _runs(code: str) -> NextClick:
    return NextClick("Look at the runs", _list("/runs", status="stopped", code="" if code == NO_CODE else code))


def _waiting(connection: str) -> NextClick:
    return NextClick("Look at the commands", _list("/commands", status="waiting", connection=connection))


def _connection(name: str) -> NextClick:
    return NextClick("Open the connection", f"/connections/{quote(name, safe='')}")


def _paused(about: str) -> NextClick:
    """`connection/NAME` or `workflow/NAME`."""
    kind, _, name = about.partition("/")
    return _connection(name) if kind == "connection" else _workflow(name)


def _workflow(about: str) -> NextClick:
    return NextClick("Open the workflow", f"/workflows/{quote(about.removeprefix('workflow/'), safe='')}")


def _list(path: str, **filters: str) -> str:
    wanted = {name: value for name, value in filters.items() if value}
    return f"{path}?{urlencode(wanted)}" if wanted else path


_WORKERS: Final = _to("Look at the processes", "/workers")
LINKS: Final[Mapping[FindingKind, Callable[[str], NextClick]]] = {
    FindingKind.KAFKA_AWAY: _WORKERS,
    FindingKind.TOPIC: _to("Look at the topics", "/contract"),
    FindingKind.NO_PROCESS: _WORKERS,
    FindingKind.NO_OWNER: _to("Look at the partitions", "/workers#partitions"),
    FindingKind.NOT_READY: _WORKERS,
    FindingKind.LACKS_KEY: _WORKERS,
    FindingKind.PARTITION_COUNT: _WORKERS,
    FindingKind.UNREAD: _WORKERS,
    FindingKind.KEY_REFUSED: _connection,
    FindingKind.ENDPOINT: _to("Look at the endpoints", "/endpoints"),
    FindingKind.HORIZON: _waiting,
    FindingKind.DEAD_LETTERS: _letters,
    FindingKind.STOPPED_RUNS: _runs,
    FindingKind.UNMADE_EVENTS: _to("Look at the events", "/events"),
    FindingKind.NO_CONNECTION: _waiting,
    FindingKind.RETENTION: _workflow,
    FindingKind.MISSED_EVENTS: _connection,
    FindingKind.SWEEP_LATE: _connection,
    FindingKind.LATE: _to("Look at the partitions", "/workers#partitions"),
    FindingKind.CLOCK: _WORKERS,
    FindingKind.NOT_LOOKED_AT: _WORKERS,
    FindingKind.WARNING: _WORKERS,
    FindingKind.PAUSED: _paused,
    FindingKind.OPENING: _to("Look at the partitions", "/workers#partitions"),
    FindingKind.STALE: _WORKERS,
    FindingKind.VERSIONS: _WORKERS,
    FindingKind.UNREADABLE_REPORT: _WORKERS,
}
