"""Keeps bulk acts in the index's store, from the preview to the end. Two consoles of one store share them.

    preparing ──► previewed ── confirmed, within 15 minutes, by its own user ──► running ──► done, stopped, failed
        └──────────────────────────────────────────────────────────────────────────────────► failed

Invariants:
- An act is confirmed once: one statement takes it from previewed to running, whoever asks, and on whatever console.
- What it does is on its list, which never changes after the preview.
- Before each transaction the store has how many acts may be in it: after a crash no more than these are unknown.
- An act whose row is gone, because the index is built again, does not go on.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.console.bulk.act_selection import ActSelection
from stripeline.deploy.console.bulk.frozen_list import FrozenItem, read_items, written
from stripeline.deploy.console.index.tables import preview

EXPIRES_MS: Final = 15 * 60_000
SILENT_MS: Final = 2 * 60_000
"""Longer than any step of an act: the console that carried it out has ended."""
KEPT_MS: Final = DAY_MS
MAX_OF_ONE: Final = 10
"""Previews that a user has not confirmed."""
MAX_KEPT: Final = 200
MAX_ITEMS_KEPT: Final = 200_000
"""Of all lists together: about 60 MB."""
_RECENT: Final = 20
_WITHOUT_ITEMS: Final = [column for column in preview.c if column.name != "items"]


class ActState(StrEnum):
    """How far a bulk act is."""

    PREPARING = "preparing"
    PREVIEWED = "previewed"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


WORKING: Final = (ActState.PREPARING, ActState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActProgress:
    """How far an act is. done: looked at, of its list.

    committed: certainly. unknown: in a transaction of which it is not known whether it was committed.
    left_out: not as they were previewed any more.
    """

    done: int = 0
    committed: int = 0
    left_out: int = 0
    unknown: int = 0

    def before(self, looked_at: int, acts: int) -> "ActProgress":
        """Before a transaction of so many acts, on so many of the list."""
        return replace(self, done=self.done + looked_at, left_out=self.left_out + looked_at - acts, unknown=acts)

    def after(self) -> "ActProgress":
        """After it was committed."""
        return replace(self, committed=self.committed + self.unknown, unknown=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAct:
    """A bulk act as the store has it. since_ms: of its state. touched_ms: when its console was last heard of.

    total: of its list. acting: how many of them are acted on.
    """

    act_id: str
    by: str
    selection: ActSelection
    state: ActState
    since_ms: int
    touched_ms: int
    total: int
    acting: int
    progress: ActProgress
    cut: bool
    why: str
    rate: int
    words: str

    def lost(self, now_ms: int) -> bool:
        """Whether the console that worked on it has ended without a word."""
        return self.state in WORKING and now_ms - self.touched_ms > SILENT_MS

    def expired(self, now_ms: int) -> bool:
        return self.state is ActState.PREVIEWED and now_ms - self.since_ms >= EXPIRES_MS


def added(by: str, selection: ActSelection, total: int, cut: bool, now_ms: int) -> Callable[[Connection], str | None]:
    """The id of a new act that is being prepared; None where there are too many. The oldest previews of a user go."""

    def change(connection: Connection) -> str | None:
        connection.execute(delete(preview).where(preview.c.touched_ms < now_ms - KEPT_MS))
        unconfirmed = preview.c.state == ActState.PREVIEWED
        connection.execute(delete(preview).where(unconfirmed, preview.c.since_ms < now_ms - 2 * EXPIRES_MS))
        mine = select(preview.c.act_id).where(preview.c.by == by, unconfirmed).order_by(preview.c.since_ms.desc())
        former = [row.act_id for row in connection.execute(mine)][MAX_OF_ONE - 1 :]
        connection.execute(delete(preview).where(preview.c.act_id.in_([*former, *_surplus(connection, total)])))
        if connection.execute(select(func.count()).select_from(preview)).scalar_one() >= MAX_KEPT:
            return None  # all of them are at work
        act_id = secrets.token_urlsafe(16)
        connection.execute(insert(preview).values(
            act_id=act_id, by=by, selection=encode(selection).decode(), state=ActState.PREPARING, since_ms=now_ms,
            touched_ms=now_ms, total=total, acting=0, done=0, committed=0, left_out=0, unknown=0, cut=cut, stop=False,
            why="", rate=0, words="", items="[]",
        ))  # fmt: skip
        return act_id

    return change


def _surplus(connection: Connection, more: int) -> list[str]:
    """The oldest acts that must go for a list of so many more; none that is at work."""
    wanted = select(preview.c.act_id, preview.c.total, preview.c.state).order_by(preview.c.touched_ms.desc())
    kept, items, surplus = 1, more, []
    for row in connection.execute(wanted):
        kept, items = kept + 1, items + row.total
        if (kept > MAX_KEPT or items > MAX_ITEMS_KEPT) and row.state not in WORKING:
            surplus.append(row.act_id)
    return surplus


def act_of(act_id: str) -> Callable[[Connection], StoredAct | None]:
    """An act, without its list."""
    wanted = select(*_WITHOUT_ITEMS).where(preview.c.act_id == act_id)

    def query(connection: Connection) -> StoredAct | None:
        row = connection.execute(wanted).first()
        return None if row is None else _stored(row)

    return query


def items_of(act_id: str) -> Callable[[Connection], tuple[FrozenItem, ...]]:
    """The list of an act."""
    wanted = select(preview.c["items"]).where(preview.c.act_id == act_id)
    return lambda connection: read_items(connection.execute(wanted).scalar() or "[]")


def recent_acts() -> Callable[[Connection], Sequence[StoredAct]]:
    """The newest acts that were confirmed, of all users."""
    confirmed = preview.c.state.notin_([ActState.PREPARING, ActState.PREVIEWED])
    wanted = select(*_WITHOUT_ITEMS).where(confirmed).order_by(preview.c.touched_ms.desc()).limit(_RECENT)
    return lambda connection: [_stored(row) for row in connection.execute(wanted)]


def prepared(act_id: str, items: Sequence[FrozenItem], now_ms: int) -> Callable[[Connection], bool]:
    """Previewed, with its list."""
    return _changed(
        act_id, ActState.PREPARING, state=ActState.PREVIEWED, since_ms=now_ms, touched_ms=now_ms, done=0,
        items=written(items), acting=sum(one.does for one in items), total=len(items),
    )  # fmt: skip


def begun(act_id: str, by: str, why: str, rate: int, now_ms: int) -> Callable[[Connection], bool]:
    """Whether this confirmed it: not where another did, or another user asks, or it has expired."""
    wanted = (
        update(preview)
        .where(
            preview.c.act_id == act_id, preview.c.by == by, preview.c.state == ActState.PREVIEWED,
            preview.c.since_ms > now_ms - EXPIRES_MS,
        )
        .values(state=ActState.RUNNING, why=why, rate=rate, since_ms=now_ms, touched_ms=now_ms)
    )  # fmt: skip
    return lambda connection: connection.execute(wanted).rowcount == 1


def noted(act_id: str, state: ActState, progress: ActProgress, now_ms: int) -> Callable[[Connection], bool]:
    """Whether an act goes on: not where a person stopped it, or its row is gone."""
    change = _changed(act_id, state, touched_ms=now_ms, **_fields(progress))
    stop = select(preview.c.stop).where(preview.c.act_id == act_id)
    return lambda connection: change(connection) and not connection.execute(stop).scalar_one()


def asked_to_stop(act_id: str) -> Callable[[Connection], bool]:
    """An act that works ends before its next transaction."""
    wanted = update(preview).where(preview.c.act_id == act_id, preview.c.state.in_(WORKING)).values(stop=True)
    return lambda connection: connection.execute(wanted).rowcount == 1


def ended(
    act_id: str, state: ActState, progress: ActProgress, words: str, now_ms: int
) -> Callable[[Connection], bool]:  # fmt: skip
    values = {"state": state, "words": words, "since_ms": now_ms, "touched_ms": now_ms, **_fields(progress)}
    wanted = update(preview).where(preview.c.act_id == act_id, preview.c.state.in_(WORKING)).values(values)
    return lambda connection: connection.execute(wanted).rowcount == 1


def _changed(act_id: str, former: ActState, **values: Any) -> Callable[[Connection], bool]:
    """Whether there was such an act, in that state."""
    wanted = update(preview).where(preview.c.act_id == act_id, preview.c.state == former).values(values)
    return lambda connection: connection.execute(wanted).rowcount == 1


def _fields(progress: ActProgress) -> dict[str, int]:
    return {
        "done": progress.done, "committed": progress.committed, "left_out": progress.left_out,
        "unknown": progress.unknown,
    }  # fmt: skip


def _stored(row: Row[Any]) -> StoredAct:
    progress = ActProgress(done=row.done, committed=row.committed, left_out=row.left_out, unknown=row.unknown)
    return StoredAct(
        act_id=row.act_id, by=row.by, selection=msgspec.json.decode(row.selection, type=ActSelection),
        state=ActState(row.state), since_ms=row.since_ms, touched_ms=row.touched_ms, total=row.total,
        acting=row.acting, progress=progress, cut=row.cut, why=row.why, rate=row.rate, words=row.words,
    )  # fmt: skip
