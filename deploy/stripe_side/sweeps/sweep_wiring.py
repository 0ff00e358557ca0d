"""Wires the sweeps of an executor: they ask with its keys, through its client to Stripe, and show how they are."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

from pydantic import SecretStr

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.vocabulary import CallKind
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.stripe_side.grouped_writes import GroupedWrites
from stripeline.deploy.stripe_side.sweeps.stripe_lists import StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweeper import Sweeper
from stripeline.deploy.telemetry.metrics.sweep_rows import SWEEPS
from stripeline.workers.kafka.control_table import publish
from stripeline.workers.stripe.api import StripeApi

_STOP_S: Final = 5.0


@contextlib.asynccontextmanager
async def sweeping(
    shared: Shared, owns: Callable[[], bool], stripe: StripeApi, key: Callable[[str], SecretStr | None],
    limits: Callable[[str], Rate],
) -> AsyncIterator[None]:  # fmt: skip
    """Sweep beside a block while the worker owns partition 0; its end waits for no sweep longer than `_STOP_S`."""
    settings, table, now_ms = shared.settings, shared.table, shared.clock.now_ms
    sweeper = Sweeper(
        definitions=lambda: table.definitions,
        key=key,
        owns=owns,
        enabled=settings.sweep,
        lists=StripeLists(partial(stripe.read, kind=CallKind.LIST), SweepPace(limits), now_ms),
        topics=settings.topics,
        client=shared.client,
        write=GroupedWrites(partial(publish, settings.topics.control, shared.client)),
        now_ms=now_ms,
        words=lambda error: shared.words(error) or str(error),
    )
    shared.warnings["sweeps"] = sweeper.warnings
    shared.metrics.show(SWEEPS, sweeper.view)
    task = asyncio.create_task(sweeper.run(), name="sweeps")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=_STOP_S)
