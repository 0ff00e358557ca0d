"""Counts what the receiver tells, and gives each event its span. Two additions to a dict a delivery, no more."""

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from stripeline.contracts.vocabulary import DeliveryVerdict
from stripeline.deploy.telemetry.delivery_spans import DeliverySpans
from stripeline.ingest.observer import Observer
from stripeline.ingest.publish_result import Published
from stripeline.workers.task.counters import Histograms

PUBLISH_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Deliveries(Observer):
    """One receiver's. An unknown trigger has no name here: whoever is on the internet could fill the memory with them.

    topic: the whole name of a family's topic.
    verdicts: by trigger, verdict and reason.
    secrets: by trigger, and by the place of the secret in its ring.
    skew_s: of the last genuine delivery that was too old or too new, by trigger.
    """

    def __init__(self, topic: Callable[[str], str], spans: DeliverySpans | None = None) -> None:
        self.topic, self._spans = topic, spans
        self.verdicts: dict[tuple[str, str, str], int] = defaultdict(int)
        self.secrets: dict[tuple[str, int], int] = defaultdict(int)
        self.publish_s = Histograms(PUBLISH_S)
        self.skew_s: dict[str, int] = {}
        self.closed: dict[str, int] = defaultdict(int)

    def verified(self, trigger: str, secret_index: int) -> None:
        self.secrets[trigger, secret_index] += 1

    def traced(self, trigger: str, received: str | None) -> bytes | None:
        return None if self._spans is None else self._spans.begin(trigger, received)

    def published(self, trigger: str, topic: str, where: Published, seconds: float, trace: bytes) -> None:
        self.verdicts[trigger, DeliveryVerdict.PUBLISHED, ""] += 1
        self.publish_s[topic,].add(seconds)
        if self._spans is not None:
            self._spans.sent(trace, self.topic(topic), where)

    def ignored(self, trigger: str, reason: str, trace: bytes) -> None:
        self._not_published(trigger, DeliveryVerdict.IGNORED, reason, trace)

    def refused(self, trigger: str | None, status: int, reason: str, trace: bytes | None = None) -> None:  # noqa: ARG002  (the reason says more)
        self._not_published(trigger or "", DeliveryVerdict.REFUSED, reason, trace)

    def not_taken(self, trigger: str, reason: str, trace: bytes | None = None) -> None:
        self._not_published(trigger, DeliveryVerdict.NOT_TAKEN, reason, trace)

    def clock_skew(self, trigger: str, seconds: int) -> None:
        self.skew_s[trigger] = seconds

    def connection_closed(self, reason: str) -> None:
        self.closed[reason] += 1

    def _not_published(self, trigger: str, verdict: DeliveryVerdict, reason: str, trace: bytes | None) -> None:
        self.verdicts[trigger, verdict, reason] += 1
        if self._spans is not None and trace is not None:
            self._spans.not_sent(trace, verdict, reason)
