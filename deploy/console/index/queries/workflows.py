"""Workflows in the index: how many runs each started in a time, and how they stand."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, func, select

from stripeline.deploy.console.index.tables import run

Counts = Mapping[str, int]
"""By status, and `started` for all of them."""
_NOT_SUCCEEDED = ("running", "stopped", "cancelled")


def runs_of(workflows: Sequence[str], since_ms: int) -> Callable[[Connection], Mapping[str, Counts]]:
    """The runs of these workflows that started since a moment.

    All are counted in the index of workflow and time, and those that did not succeed, which are few, in the one of
    status and time: no run is looked at.
    """

    def query(db: Connection) -> Mapping[str, Counts]:
        found = {name: dict.fromkeys((*_NOT_SUCCEEDED, "succeeded", "started"), 0) for name in workflows}
        for name, counts in found.items():
            wanted = select(func.count()).where(run.c.workflow == name, run.c.started_ms >= since_ms)
            counts["started"] = db.execute(wanted).scalar() or 0
        others = (
            select(run.c.workflow, run.c.status, func.count())
            .where(run.c.status.in_(_NOT_SUCCEEDED), run.c.started_ms >= since_ms)
            .group_by(run.c.workflow, run.c.status)
        )
        for name, status, count in db.execute(others):
            if name in found:
                found[name][status] = count
        for counts in found.values():
            counts["succeeded"] = max(0, counts["started"] - sum(counts[status] for status in _NOT_SUCCEEDED))
        return found

    return query
