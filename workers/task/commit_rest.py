"""How long a task rests between two commits. Pure.

- At least the interval: Kafka answers CONCURRENT_TRANSACTIONS to a transaction that begins within about 20 ms of the
  last one's end.
- On a busy process longer, so that a task's commits take a fifth of its time at most: a transaction costs six requests,
  whatever is in it, so many partitions make fewer of them, and larger ones.
"""

_RESTS_A_COMMIT = 4
_REST_MAX_S = 0.5


def rest_s(interval_s: float, busy_s: float) -> float:
    """interval_s: as `commit_pace` has it. busy_s: CPU time of the process while the last commit was under way."""
    return max(interval_s, min(_RESTS_A_COMMIT * busy_s, _REST_MAX_S))
