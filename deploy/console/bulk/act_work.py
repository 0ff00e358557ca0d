"""Prepares a bulk act, and carries it out when it is confirmed: in batches, paced, until its end or a person's stop."""

import asyncio
import time
from collections.abc import Awaitable, Iterator, Sequence
from typing import Final, TypeVar

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.bulk.act_store import ActProgress, ActState, ended, noted, prepared
from stripeline.deploy.console.bulk.bulk_kind import AT_ONCE, BulkKind
from stripeline.deploy.console.bulk.frozen_list import FrozenItem
from stripeline.deploy.console.console_sources import Sources
from stripeline.deploy.operations.act_failures import EXPECTED_OF_ACTS, act_failure
from stripeline.deploy.operations.acts.audit import MAX_ACTS, Signed

STOPPED_CONSOLE: Final = "The console was stopped."
log = structlog.get_logger(__name__)
One = TypeVar("One")
End = tuple[ActState, str]


class ActWork:
    """The work on one act. `progress`: so far, also when it fails."""

    def __init__(self, sources: Sources, act_id: str, kind: BulkKind) -> None:
        self._sources, self._act_id, self._kind, self._progress = sources, act_id, kind, ActProgress()

    async def prepare(self, ids: Sequence[str], signed: Signed) -> None:
        """Find out what would become of each, and keep that as the act's list."""
        await self._until_its_end(self._prepared(ids, signed))

    async def carry_out(self, items: Sequence[FrozenItem], signed: Signed, rate_per_s: int) -> None:
        """Commit the acts on those items of the list that are acted on."""
        await self._until_its_end(self._carried_out([one for one in items if one.does], signed, rate_per_s))

    async def _prepared(self, ids: Sequence[str], signed: Signed) -> End | None:
        items: list[FrozenItem] = []
        for some in _batches(ids, AT_ONCE):
            items += await self._kind.prospects(some, signed)
            self._progress = ActProgress(done=len(items))
            if not await self._goes_on(ActState.PREPARING):
                return ActState.STOPPED, ""
        await self._sources.index.change(prepared(self._act_id, items, _now_ms()))
        return None

    async def _carried_out(self, items: Sequence[FrozenItem], signed: Signed, rate_per_s: int) -> End:
        for some in _batches(items, max(1, min(MAX_ACTS, rate_per_s))):
            acts = await self._kind.acts(some, signed)
            before, self._progress = self._progress, self._progress.before(len(some), len(acts))
            if not await self._goes_on(ActState.RUNNING):
                self._progress = before
                return ActState.STOPPED, ""
            if acts:
                await self._sources.commit(acts, rate_per_s=rate_per_s)
                self._progress = self._progress.after()
            if self._progress.done < len(items):
                await asyncio.sleep(len(acts) / rate_per_s)
        return ActState.DONE, ""

    async def _goes_on(self, state: ActState) -> bool:
        return await self._sources.index.change(noted(self._act_id, state, self._progress, _now_ms()))

    async def _until_its_end(self, work: Awaitable[End | None]) -> None:
        try:
            end = await work
        except EXPECTED_OF_ACTS as error:
            end = ActState.FAILED, act_failure(error, self._sources.topics, self._sources.client)
        except asyncio.CancelledError:
            await self._end(ActState.FAILED, STOPPED_CONSOLE)
            raise
        except Exception:
            log.exception(LogEvent.BULK_ACT_FAILED, act=self._act_id)
            end = ActState.FAILED, "A fault of the console: its log has the reason."
        if end is not None:
            await self._end(*end)

    async def _end(self, state: ActState, words: str) -> None:
        await self._sources.index.change(ended(self._act_id, state, self._progress, words, _now_ms()))


def _batches(whole: Sequence[One], size: int) -> Iterator[Sequence[One]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def _now_ms() -> int:
    return int(time.time() * 1000)
