"""The partition that a read fails at is found, whatever fails, and the others are read on."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.task.isolation import CALM_S, Ask, Isolation


def test_together_then_alone_then_record_by_record() -> None:
    found: Isolation[str] = Isolation()
    (together,) = found.asks(["a", "b", "c"], 0.0)
    assert together == Ask(("a", "b", "c"))
    assert found.failed(together, 0.0) is None
    alone = [*found.asks(["a", "b", "c"], 0.1)]
    assert alone == [Ask((one,), together=False) for one in "abc"]
    assert found.failed(alone[1], 0.1) is None
    one_by_one = [*found.asks(["a", "b", "c"], 0.2)]
    assert one_by_one[1] == Ask(("b",), together=False, by_record=True)
    assert found.failed(one_by_one[1], 0.2) == "b"


def test_one_partition_is_read_by_record_at_once() -> None:
    found: Isolation[str] = Isolation()
    (ask,) = found.asks(["a"], 0.0)
    assert found.failed(ask, 0.0) is None
    assert [*found.asks(["a"], 0.0)] == [Ask(("a",), together=False, by_record=True)]


def test_calm_partitions_are_read_together_again() -> None:
    found: Isolation[str] = Isolation()
    (ask,) = found.asks(["a", "b"], 0.0)
    found.failed(ask, 0.0)
    found.watch("a", 1.0)
    assert [*found.asks(["a", "b"], CALM_S)] == [Ask(("a",), together=False, by_record=True), Ask(("b",))]
    assert [*found.asks(["a", "b"], CALM_S + 1.0)] == [Ask(("a", "b"))]
    assert [*found.asks([], CALM_S + 1.0)] == []


@given(st.sets(st.integers(0, 7)), st.data())
def test_every_faulty_partition_is_found_and_no_other(faulty: set[int], data: st.DataObject) -> None:
    """Each read takes what is wanted once, and three rounds find every fault."""
    found: Isolation[int] = Isolation()
    wanted = [*range(8)]
    held: set[int] = set()
    for now in range(3 * (len(faulty) + 1)):
        asks = [*found.asks([one for one in wanted if one not in held], now / 100)]
        assert sorted(one for ask in asks for one in ask.partitions) == sorted({*wanted} - held)
        for ask in data.draw(st.permutations(asks)):
            if faulty & {*ask.partitions} and (one := found.failed(ask, now / 100)) is not None:
                held.add(one)
    assert held == faulty
