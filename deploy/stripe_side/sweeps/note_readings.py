"""One reading of `stripe.event-seen` for all sweeps that wait for one.

- One reading runs at a time. Those that ask meanwhile share the next one, from the oldest time that one of them needs.
- A sweep is told what is missing only after a reading that began after it asked, and came to the log's end; or as soon
  as nothing is missing. A reading that fails fails for all that are left: none concludes from a part.
- Between readings there is a rest, so that they take a tenth of a core at most, unless nobody else could join.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from stripeline.deploy.stripe_side.sweeps.event_comparison import Comparison, Lacking, Pair, of_one_reading
from stripeline.deploy.stripe_side.sweeps.seen_log import SeenLog

_RESTS: Final = 9
"""How much longer than a reading the rest after it is."""
_MOST_REST_S: Final = 30.0


class NoteReadings:
    """opened: the log, for one reading. could_wait: how many sweeps could be waiting here, were they as far."""

    def __init__(
        self, opened: Callable[[], AbstractAsyncContextManager[SeenLog]], could_wait: Callable[[], int] = lambda: 0
    ) -> None:
        self._opened, self._could_wait = opened, could_wait
        self._waiting: dict[Comparison, asyncio.Future[None]] = {}
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def strike(self, missing: dict[Pair, Lacking], from_ms: int) -> None:
        """Take out what is proved to have come since a time. Raises FailureError, KafkaError, TimeoutError."""
        if not missing:
            return
        one = Comparison(missing, from_ms)
        done = self._waiting[one] = asyncio.get_running_loop().create_future()
        self._came.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="readings of seen events")
        try:
            await done
        finally:
            self._waiting.pop(one, None)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while group := of_one_reading(list(self._waiting)):
            began_s = time.monotonic()
            try:
                async with self._opened() as seen:
                    await seen.strike(group, self._end)
            except Exception as error:  # noqa: BLE001  each of them raises it
                for one in group:
                    self._end(one, error)
            else:
                for one in group:
                    self._end(one)
            await self._rest(time.monotonic() - began_s)

    def _end(self, one: Comparison, error: Exception | None = None) -> None:
        done = self._waiting.pop(one, None)
        if done is None or done.done():  # it was told, or has gone
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    async def _rest(self, took_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_RESTS * took_s, _MOST_REST_S)):
                while len(self._waiting) < self._could_wait():
                    self._came.clear()
                    await self._came.wait()


@contextlib.asynccontextmanager
async def note_readings(opened: Callable[[], AbstractAsyncContextManager[SeenLog]]) -> AsyncIterator[NoteReadings]:
    """For a block."""
    readings = NoteReadings(opened)
    try:
        yield readings
    finally:
        await readings.stop()
