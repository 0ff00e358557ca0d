"""The least of what has not gone, and no more kept than twice what is there."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.task.waiting.least import Least


@dataclass(order=True)
class Thing:
    number: int
    gone: bool = False


def least() -> Least[Thing]:
    return Least(lambda thing: thing.gone)


def leaves(of: Least[Thing], thing: Thing) -> None:
    thing.gone = True
    of.one_has_gone()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=200))
def test_it_is_the_least_of_those_that_are_there(steps):
    of, there = least(), list[Thing]()
    for comes, number in steps:
        if comes:
            there.append(Thing(number))
            of.add(number, there[-1])
        elif there:
            leaves(of, there.pop(number % len(there)))
        first = of.first()
        assert (None if first is None else first[0]) == min((thing.number for thing in there), default=None)
        assert sorted(of) == sorted(there)


def test_what_has_gone_behind_one_that_stays_is_not_kept():
    of = least()
    of.add(0, Thing(0))
    for number in range(1, 5_000):
        thing = Thing(number)
        of.add(number, thing)
        leaves(of, thing)
    assert len(of) < 200
