"""When batches leave, on a clock of the test's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from stripeline.ingest.kafka.linger import ENOUGH, REST_S, Pace


@dataclass
class Timer:
    at: float
    go: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Loop:
    """Its time stands until a test moves it."""

    now: float = 100.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, go: Callable[[], None]) -> Timer:
        self.timers.append(Timer(at, go))
        return self.timers[-1]

    def run(self, until: float) -> None:
        self.now = until
        due = [timer for timer in self.timers if timer.at <= until]
        self.timers = [timer for timer in self.timers if timer.at > until]
        for timer in due:
            if not timer.cancelled:
                timer.go()


@dataclass
class World:
    loop: Loop = field(default_factory=Loop)
    left: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace(cast("asyncio.AbstractEventLoop", self.loop))

    def ask(self, *names: str) -> None:
        for name in names:
            self.pace.leave(lambda name=name: self.left.append(name))  # type: ignore[misc]

    def run(self, after_s: float = 0.0) -> list[str]:
        """What leaves until then."""
        self.left.clear()
        self.loop.run(self.loop.now + after_s)
        return list(self.left)


def test_after_a_pause_all_that_ask_in_one_turn_leave_at_once_and_together() -> None:
    world = World()
    world.ask("one", "two")
    assert world.left == []  # not before the next turn: more may ask
    world.ask("three")
    assert world.run() == ["one", "two", "three"]
    assert len(world.loop.timers) == 0


def test_what_follows_leaves_a_rest_later_and_together() -> None:
    world = World()
    world.ask("first")
    world.run()
    world.ask("one")
    assert world.run(REST_S * 0.9) == []
    world.ask("two")
    assert world.run(REST_S * 0.2) == ["one", "two"]
    world.ask("three")
    assert world.run(REST_S * 0.9) == []  # each departure is followed by a rest


def test_a_rest_is_over_when_it_was_slept_through() -> None:
    world = World()
    world.ask("first")
    world.run()
    world.run(REST_S * 2)
    world.ask("later")
    assert world.run() == ["later"]


def test_enough_records_end_a_rest() -> None:
    world = World()
    world.ask("first")
    world.run()
    world.ask("one")
    for _ in range(ENOUGH - 1):
        world.pace.one_more()
    assert world.run(REST_S * 0.5) == []
    world.pace.one_more()
    assert world.left == ["one"]
    world.ask("two")
    assert world.run(REST_S * 0.9) == []  # the timer of the rest that was cut short counts no more
    assert world.run(REST_S * 0.2) == ["two"]


def test_who_asks_when_enough_records_wait_already_leaves_in_the_next_turn() -> None:
    world = World()
    world.ask("first")
    world.run()
    for _ in range(ENOUGH):
        world.pace.one_more()  # behind a request that is under way
    world.ask("one", "two")
    assert world.left == ["first"]
    assert world.run() == ["one", "two"]
    world.ask("three")
    assert world.run(REST_S * 0.9) == []  # counted once
