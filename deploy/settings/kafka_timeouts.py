"""How long a Kafka client waits for an answer, and how long it keeps a connection that nobody uses.

They are chosen together, for a balancer or firewall between us and Kafka that forgets a connection and tells neither
side. aiokafka's own values, 40 s and 9 min, cost workers 88 s then.
"""

from collections.abc import Mapping
from typing import Final

REQUEST_TIMEOUT_MS: Final = 6_000
"""A request without an answer for so long closes its connection, and is sent again on a new one.

- A worker finds out after it, leaves and joins its group, and opens its tasks: all that takes 15 s at most.
- Below the 20 s of a commit (`workers/kafka/transaction.py`), which so has more than one try.
- Half of a worker's session (`STRIPELINE_SESSION_TIMEOUT`): one heartbeat to a frozen broker costs no membership.
- Above the 5 s in which ingest answers, and above what a fetch waits at the broker (0.5 s).
- A JoinGroup waits at the broker for members that drain, up to `DRAIN_TIMEOUT` and 5 s more: longer than this.
  aiokafka then asks again under the same member id, and the broker goes on with the same rebalance.
"""

CONNECTIONS_MAX_IDLE_MS: Final = 180_000
"""An idle connection is closed by us before Azure's balancer (4 min), AWS's NLB (350 s) or Kafka (10 min) drops it."""

KAFKA_TIMEOUTS: Final[Mapping[str, int]] = {
    "request_timeout_ms": REQUEST_TIMEOUT_MS,
    "connections_max_idle_ms": CONNECTIONS_MAX_IDLE_MS,
}
"""Options of every consumer, producer and admin client."""
