"""Decides whether a partition takes records, and says in words why it takes none. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason

Unavailable = Mapping[tuple[str, int], str]
"""The partitions that take nothing, by topic and number, with the reason in words."""

_NAMED: Final = 20
FAILURE_COUNTS_S: Final = 60.0
"""A failure is the last word on a partition for so long: without traffic nothing shows that the cause is gone."""


class FailedBatch(NamedTuple):
    """A batch that failed, and none was acknowledged since."""

    at_s: float
    reason: NotTakenReason
    error: str


def why_it_takes_none(
    *, led: bool, unanswered_s: float, failed: FailedBatch | None, now_s: float, deadline_s: float
) -> str | None:
    """None for a partition that takes records, as far as its producer knows.

    led: whether a broker leads it. unanswered_s: how long its batch in flight has waited for Kafka's acknowledgement.
    """
    if not led:
        return "no broker leads it: look at the brokers that have its replicas"
    if unanswered_s >= deadline_s:
        return "no acknowledgement in time: its leader does not answer, or too few of its replicas are in sync"
    if failed is not None and now_s - failed.at_s < FAILURE_COUNTS_S:
        return f"its last batch failed: {failed.reason} ({failed.error})"
    return None


def names(partitions: Mapping[tuple[str, int], str] | set[tuple[str, int]]) -> str:
    """Partitions as Kafka writes them, the first twenty."""
    chosen = sorted(partitions)
    left_out = f" and {len(chosen) - _NAMED} more" if len(chosen) > _NAMED else ""
    return ", ".join(f"{topic}-{number}" for topic, number in chosen[:_NAMED]) + left_out


def in_words(unavailable: Unavailable) -> str | None:
    """A sentence for each reason; None where all take records."""
    by_reason: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for place, reason in unavailable.items():
        by_reason[reason].add(place)
    sentences = (f"{names(places)}: {reason}." for reason, places in by_reason.items())
    return f"These partitions take no records. {' '.join(sentences)}" if by_reason else None
