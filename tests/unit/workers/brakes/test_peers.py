"""What the tasks of other processes have begun: whose report counts, and when it is known."""

from stripeline.contracts.operator.spending import Spending, SpentMinute, TaskSpending
from stripeline.workers.brakes.peers import SETTLED_MS, SILENT_MS, Peers
from stripeline.workers.brakes.rolling_hour import total

NOW = 1_800_000_000_000


def spent(partition: int, count: int, kind: str = "connection") -> TaskSpending:
    minutes = (SpentMinute(since_ms=NOW, count=count),)
    return TaskSpending(kind=kind, partition=partition, names={"acme": Spending(minutes=minutes)})


def elsewhere(peers: Peers, *own: int, kind: str = "connection") -> int:
    return total(peers.elsewhere(kind, "acme", own), NOW).count


def test_the_newest_report_of_a_partition_counts() -> None:
    peers = Peers()
    peers.learn([spent(0, 3), spent(1, 4)], NOW)
    peers.learn([spent(0, 9)], NOW - 1)  # of its former owner, read later
    assert elsewhere(peers) == 7
    peers.learn([TaskSpending(kind="connection", partition=1)], NOW + 1)
    assert elsewhere(peers) == 3


def test_own_partitions_and_other_kinds_are_not_elsewhere() -> None:
    peers = Peers()
    peers.learn([spent(0, 3), spent(1, 4), spent(0, 8, "workflow")], NOW)
    assert (elsewhere(peers, 0), elsewhere(peers, 0, 1), elsewhere(peers, kind="workflow")) == (4, 0, 8)


def test_nothing_is_fresh_before_all_partitions_were_heard_of() -> None:
    peers = Peers()
    assert not peers.fresh("connection", 2, (), NOW)
    peers.heard(NOW)
    peers.learn([spent(0, 1)], NOW)
    assert not peers.fresh("connection", 2, (), NOW)
    assert peers.fresh("connection", 2, (1,), NOW)
    assert not peers.fresh("workflow", 2, (1,), NOW)


def test_a_partition_without_an_owner_is_waited_for_a_while() -> None:
    peers = Peers()
    for at in (NOW, NOW + SETTLED_MS - 1, NOW + SETTLED_MS):
        peers.heard(at)
        assert peers.fresh("connection", 2, (), at) is (at == NOW + SETTLED_MS)


def test_a_process_that_hears_nothing_knows_nothing() -> None:
    peers = Peers()
    peers.heard(NOW)
    assert peers.fresh("connection", 0, (), NOW + SILENT_MS)
    assert not peers.fresh("connection", 0, (), NOW + SILENT_MS + 1)
