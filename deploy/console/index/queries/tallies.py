"""Counts a minute, for the curves."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, select

from stripeline.deploy.console.index.tables import tally


def counts_of_minutes(first: int, last: int) -> Callable[[Connection], Mapping[int, Mapping[str, int]]]:
    """The counts of each minute since the epoch, by name; a minute without any is left out."""
    wanted = select(tally.c.minute, tally.c.name, tally.c.count).where(tally.c.minute.between(first, last))

    def query(db: Connection) -> Mapping[int, Mapping[str, int]]:
        found: dict[int, dict[str, int]] = {}
        for minute, name, count in db.execute(wanted):
            found.setdefault(minute, {})[name] = count
        return found

    return query
