"""The assignor of a worker's group: shares out partition numbers, not partitions. Translates; decides nothing.

Why not Kafka's range assignor: it shares out each topic by itself, so members get different numbers of topics with
different partition counts, and their tasks fence each other.

Why its name is `range` all the same: a group has one protocol, and members that use the range assignor must be able to
join. Who leads the group assigns for all of them; the two agree while the topics are as they must be. aiokafka 0.14
sends one JoinGroup request for each name that a member offers, so a second name would cost a second rebalance.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from stripeline.workers.kafka.aiokafka_internals import PartitionAssignor, assignment_of, subscription_to
from stripeline.workers.task.assignment import Sharing, shared_out


class TaskAssignor(PartitionAssignor):  # type: ignore[misc]
    """An object for `partition_assignment_strategy` of one role's consumer."""

    name = "range"

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing

    def assign(self, cluster: Any, members: Mapping[str, Any]) -> Mapping[str, Any]:
        """What each member gets, by its id. Called in the member that leads the group."""
        subscriptions = {member: tuple(found.subscription) for member, found in members.items()}
        topics = {topic for names in subscriptions.values() for topic in names}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        shares = shared_out(self._sharing, subscriptions, counts)
        return {member: assignment_of(share) for member, share in shares.items()}

    def metadata(self, topics: Iterable[str]) -> Any:
        return subscription_to(topics)

    def on_assignment(self, assignment: Any) -> None: ...
