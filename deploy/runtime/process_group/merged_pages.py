"""The health of a group from that of its processes. It asks nobody.

- Ingest is ready when at least one process is: only those that serve get connections, and another host can't help the
  others. Each that is not ready is a warning, with its words.
- Workers are ready when all are: each has partitions of its own, and a roll must not go on to the next host before.
- Broken when a process is: only a restart helps it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from stripeline.deploy.runtime.process_group.member_health import MemberHealth

Page = tuple[int, dict[str, Any]]


def readyz(members: Mapping[int, MemberHealth], *, ending: bool, needs_all: bool) -> Page:
    """needs_all: whether the group is ready when all of its processes are, and not with one."""
    ready = [number for number, one in members.items() if one.ready]
    not_ready = _named((number, _lacks(one)) for number, one in members.items() if not one.ready)
    warnings = _named((number, one.warnings) for number, one in members.items())
    counts = {"processes": {"ready": len(ready), "of": len(members)}}
    if ending:
        return 503, {"status": "not ready", "missing": {"process": "the process is ending"}, **counts}
    if len(ready) < (len(members) if needs_all else 1):
        return 503, {"status": "not ready", "missing": not_ready, **counts}
    both = {**not_ready, **warnings}
    return 200, {"status": "ready", **counts, **({"warnings": both} if both else {})}


def healthz(members: Mapping[int, MemberHealth]) -> Page:
    broken = _named((number, one.broken) for number, one in members.items())
    return (503, {"status": "broken", "reasons": broken}) if broken else (200, {"status": "ok"})


def _lacks(one: MemberHealth) -> Mapping[str, str]:
    return one.missing or {"state": one.state or "does not answer"}


def _named(found: Iterable[tuple[int, Mapping[str, str]]]) -> dict[str, str]:
    return {f"process {number}: {name}": words for number, said in found for name, words in said.items()}
