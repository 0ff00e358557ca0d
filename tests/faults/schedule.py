"""When which fault strikes whom, and for how long: a value made from a seed, so that a run can be repeated. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

SHORT_S, LONG_S = 60.0, 1_800.0
"""In a run of `SHORT_S` each fault is as short as it can be and still be one; from `LONG_S` on, of full length.

Several brokers need `SHORT_ON_SEVERAL_S` for all kinds.
"""
SHORT_ON_SEVERAL_S = 150.0

REST_S = 4.0
"""Nothing strikes in the last seconds: what comes then is what a fault left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault: how long it lasts in a short and in a long run, and whom it may strike."""

    name: str
    short_s: float
    long_s: float
    targets: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    at_s: float
    name: str
    target: str
    lasts_s: float


ROUTERS, EXECUTORS = ("router-0", "router-1"), ("executor-0", "executor-1")

OUR_PROCESSES: tuple[Kind, ...] = (
    Kind(name="kill-ingest", short_s=0, long_s=0, targets=("ingest",)),
    Kind(name="kill-router", short_s=0, long_s=0, targets=ROUTERS),
    Kind(name="kill-executor", short_s=0, long_s=0, targets=EXECUTORS),
    Kind(name="stop-ingest", short_s=3, long_s=8, targets=("ingest",)),
    # Longer than a session: the group gives the partitions away, and the stopped one comes back as a zombie.
    Kind(name="stop-router", short_s=8, long_s=8, targets=ROUTERS),
    Kind(name="stop-executor", short_s=8, long_s=8, targets=EXECUTORS),
    Kind(name="rebalance-storm", short_s=11, long_s=300),
    Kind(name="rolling-restart", short_s=12, long_s=12),
)
STRIPE_AND_INPUT: tuple[Kind, ...] = (
    Kind(name="stripe-slow", short_s=4, long_s=30),
    Kind(name="stripe-failing", short_s=6, long_s=60),
    Kind(name="stripe-refuses", short_s=4, long_s=30),
    Kind(name="stripe-silent", short_s=6, long_s=60),
    Kind(name="lying-hop", short_s=6, long_s=60),
    Kind(name="bad-input", short_s=4, long_s=20),
)


KEYS_AND_CLOCKS: tuple[Kind, ...] = (
    Kind(name="key-roll", short_s=5, long_s=20, targets=("acme", "beta")),
    # A host that is hours slow or fast, the last one by more than a day.
    Kind(name="wrong-clock", short_s=14, long_s=60, targets=("-2h", "+2h", "+25h")),
)


def lanes(brokers: int = 1) -> tuple[tuple[Kind, ...], ...]:
    """Our own processes, what they stand on and what comes in, and what is not as it was said to be.

    Within a lane one fault at a time, in rounds of all; the lanes run beside each other, so that faults meet.
    """
    return OUR_PROCESSES, (*_of_kafka(brokers), *STRIPE_AND_INPUT), KEYS_AND_CLOCKS


def _of_kafka(brokers: int) -> tuple[Kind, ...]:
    nodes = tuple(str(node) for node in range(1, brokers + 1))
    of_any = (
        Kind(name="kill-broker", short_s=1, long_s=10, targets=nodes),
        Kind(name="broker-away", short_s=7, long_s=60, targets=nodes),
    )
    of_several = (
        Kind(name="roll-brokers", short_s=25, long_s=25),
        Kind(name="two-brokers-away", short_s=5, long_s=30, targets=nodes),
        Kind(name="freeze-broker", short_s=12, long_s=30, targets=nodes),
    )
    return of_any if brokers == 1 else of_any + of_several


def schedule(seed: int, total_s: float, brokers: int = 1) -> tuple[Planned, ...]:
    """All faults of a run, by time."""
    share = min(1.0, max(0.0, (total_s - SHORT_S) / (LONG_S - SHORT_S)))
    choice = random.Random(seed)
    planned = [one for lane in lanes(brokers) for one in _lane(lane, choice, total_s, share)]
    return tuple(sorted(planned, key=lambda one: one.at_s))


def _lane(kinds: tuple[Kind, ...], choice: random.Random, total_s: float, share: float) -> Iterator[Planned]:
    at_s = 0.0
    while True:
        for kind in choice.sample(kinds, len(kinds)):
            at_s += choice.uniform(0.4, 1.2) * (1 + 5 * share)
            lasts_s = kind.short_s + (kind.long_s - kind.short_s) * share
            if at_s + lasts_s > total_s - REST_S:
                return
            yield Planned(at_s=at_s, name=kind.name, target=choice.choice(kind.targets), lasts_s=lasts_s)
            at_s += lasts_s
