"""When gathered work is done, on a fake clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from stripeline.ingest.linger import Linger

LINGER_S, ENOUGH = 0.003, 16


@dataclass
class Timer:
    at: float
    go: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Loop:
    """Its time moves only when a test moves it."""

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
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.linger = Linger(cast("asyncio.AbstractEventLoop", self.loop), LINGER_S, ENOUGH)

    def schedule(self, *names: str) -> None:
        for name in names:
            self.linger.schedule(lambda name=name: self.sent.append(name))  # type: ignore[misc]

    def run(self, after_s: float = 0.0) -> list[str]:
        """What is sent until then."""
        self.sent.clear()
        self.loop.run(self.loop.now + after_s)
        return list(self.sent)


def test_after_a_pause_the_sends_of_a_turn_leave_at_once() -> None:
    world = World()
    world.schedule("one", "two")
    assert world.sent == []  # not before the next turn: more may be scheduled
    world.schedule("three")
    assert world.run() == ["one", "two", "three"]
    assert len(world.loop.timers) == 0


def test_later_sends_leave_together_after_the_linger() -> None:
    world = World()
    world.schedule("first")
    world.run()
    world.schedule("one")
    assert world.run(LINGER_S * 0.9) == []
    world.schedule("two")
    assert world.run(LINGER_S * 0.2) == ["one", "two"]
    world.schedule("three")
    assert world.run(LINGER_S * 0.9) == []  # each send starts a linger


def test_the_linger_ends_while_nothing_is_scheduled() -> None:
    world = World()
    world.schedule("first")
    world.run()
    world.run(LINGER_S * 2)
    world.schedule("later")
    assert world.run() == ["later"]


def test_enough_records_end_the_linger() -> None:
    world = World()
    world.schedule("first")
    world.run()
    world.schedule("one")
    for _ in range(ENOUGH - 1):
        world.linger.count()
    assert world.run(LINGER_S * 0.5) == []
    world.linger.count()
    assert world.sent == ["one"]
    world.schedule("two")
    assert world.run(LINGER_S * 0.9) == []  # the timer of the linger that was cut short is cancelled
    assert world.run(LINGER_S * 0.2) == ["two"]


def test_enough_records_before_a_send_skip_the_linger() -> None:
    world = World()
    world.schedule("first")
    world.run()
    for _ in range(ENOUGH):
        world.linger.count()  # behind a request that is under way
    world.schedule("one", "two")
    assert world.sent == ["first"]
    assert world.run() == ["one", "two"]
    world.schedule("three")
    assert world.run(LINGER_S * 0.9) == []  # counted once
