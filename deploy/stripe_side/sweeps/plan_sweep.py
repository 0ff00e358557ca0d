"""Compares a window of all accounts of one connection: its own, then those that are connected to it, one by one."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from pydantic import SecretStr

from stripeline.deploy.stripe_side.sweeps.event_comparison import Since
from stripeline.deploy.stripe_side.sweeps.slice_room import SliceRoom
from stripeline.deploy.stripe_side.sweeps.stripe_lists import AccountGoneError, AskedFor, StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, SweptTrigger
from stripeline.deploy.stripe_side.sweeps.window_sweep import SliceFound, Strike, WindowSweep


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSweep:
    """key: of the plan's connection. since: from which second on a trigger's events are compared, by type."""

    lists: StripeLists
    strike: Strike
    room: SliceRoom
    now_ms: Callable[[], int]
    plan: SweepPlan
    key: SecretStr
    since: Callable[[SweptTrigger], Mapping[str, int]]

    async def slices(self, first_s: int, last_s: int) -> AsyncGenerator[SliceFound, None]:
        """Slices of each account. Raises as WindowSweep does."""
        asked = AskedFor(self.plan.connection, self.key)
        own = self._since_s(self.plan.own)
        if own:
            async with aclosing(self._of(asked, self.plan.own, own).slices(first_s, last_s)) as slices:
                async for found in slices:
                    yield found
        connected = self._since_s(self.plan.connected)
        if connected:
            async for account in self.lists.accounts(asked):
                # Events from before an account was connected were never meant for the platform.
                later = {of: max(at_s, account.since_s) for of, at_s in connected.items()}
                sweep = self._of(asked._replace(account=account.id), self.plan.connected, later)
                try:
                    async with aclosing(sweep.slices(first_s, last_s)) as slices:
                        async for found in slices:
                            yield found
                except AccountGoneError:
                    continue  # disconnected since it was listed: its events are not ours any more

    def _since_s(self, triggers: Sequence[SweptTrigger]) -> Since:
        return {(one.name, name): at_s for one in triggers for name, at_s in self.since(one).items()}

    def _of(self, asked: AskedFor, triggers: Sequence[SweptTrigger], since_s: Since) -> WindowSweep:
        names = {name for name, _ in since_s}
        swept = [one for one in triggers if one.name in names]
        return WindowSweep(
            lists=self.lists, strike=self.strike, room=self.room, now_ms=self.now_ms, asked=asked, triggers=swept,
            since_s=since_s,
        )  # fmt: skip
