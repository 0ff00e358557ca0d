"""What ingest shows: deliveries, signatures, Kafka's acknowledgements, connections."""

from typing import Any, Final, Literal

from stripeline.contracts.deliveries.delivery_vocabulary import (
    ClosedReason,
    DeliveryVerdict,
    EventReason,
    IgnoredReason,
    NotTakenReason,
    RefusalReason,
    SignatureReason,
)
from stripeline.deploy.telemetry.collector import MetricRow
from stripeline.deploy.telemetry.sources import IngestView


def _counted(
    name: str, kind: Literal["counter", "gauge", "histogram"], labels: tuple[str, ...], text: str, **explained: Any
) -> MetricRow[IngestView]:
    """A metric that ingest counts under its own name."""
    return MetricRow(name, kind, labels, text, lambda seen: seen.counters.of(name), **explained)


INGEST: Final[tuple[MetricRow[IngestView], ...]] = (
    _counted(
        "stripeline_deliveries_total", "counter", ("trigger", "verdict", "reason"),
        "Deliveries by what became of them; an endpoint's, which are of no trigger, under its own name",
        words={
            "verdict": (DeliveryVerdict,),
            "reason": (RefusalReason, SignatureReason, EventReason, IgnoredReason, NotTakenReason),
        },
        question="Does Stripe reach us, and what becomes of its events?",
        action=f"`{DeliveryVerdict.REFUSED}` with `{SignatureReason.MISMATCH}`: the trigger has the wrong signing"
        f" secret. `{DeliveryVerdict.REFUSED}` with `{EventReason.THIN_EVENT}`: an event destination at Stripe sends"
        " thin events to a trigger that takes none: set its `payload` to `both`."
        f" `{DeliveryVerdict.NOT_TAKEN}` (503): check Kafka; Stripe sends again for three days."
        f" `{DeliveryVerdict.IGNORED}`: remove those event types from the endpoint in Stripe's dashboard."
        f" `{EventReason.NO_TRIGGER}`: an endpoint names a trigger that is not there, or of another connection."
        " An empty trigger: a request for a trigger that does not exist",
    ),
    _counted(
        "stripeline_signatures_total", "counter", ("trigger", "secret"),
        "Genuine signatures by trigger or endpoint, and by secret: its place in the file, 0 is the first, or its"
        " destination at Stripe",
        question="Can the old signing secret be removed after a roll?",
        action="0 is the first secret of the trigger. When only 0 still increases, remove the others",
    ),
    _counted(
        "stripeline_trigger_reached_timestamp_seconds", "gauge", ("trigger",),
        "When the last genuine delivery came, a ping included, in seconds since the epoch",
        over="max",
        question="Does Stripe reach a trigger or an endpoint?",
        action="After a ping of its destination, from Stripe's dashboard, it is now",
    ),
    MetricRow(
        "stripeline_publish_seconds", "histogram", ("topic",),
        "Time from the whole body to Kafka's acknowledgement",
        lambda seen: (
            ((seen.topic(topic),), took) for (topic,), took in seen.counters.of("stripeline_publish_seconds")
        ),
        question="Is Kafka fast enough?",
        action="Near 5 s deliveries fail: check the brokers' disks and in-sync replicas",
    ),
    MetricRow(
        "stripeline_partition_unavailable", "gauge", ("topic", "partition"),
        "1 for each partition of an event topic that takes no records",
        lambda seen: (((topic, str(number)), 1) for topic, number in seen.unavailable()),
        over="max",
        question="Which partitions take no events?",
        action="Deliveries for them get 503, the others go on. The warning in `/readyz` says why: its leader or its"
        " in-sync replicas are missing, or the broker refuses its records. Look at the brokers that have its replicas",
    ),
    _counted(
        "stripeline_events_seen_noted_total", "counter", (),
        "Published events that were noted on the topic of seen events",
        question="Can a comparison with Stripe's list know what was published?",
        action="Near the deliveries with the verdict `published`, or the others are published once more",
    ),
    _counted(
        "stripeline_events_seen_dropped_total", "counter", ("reason",),
        "Published events that were not noted on the topic of seen events",
        words={"reason": (NotTakenReason,)},
        question="Which published events will a comparison with Stripe's list find missing?",
        action="No event is lost: each is published once more, and no run starts twice. The warning in `/readyz` has"
        f" the cause. `{NotTakenReason.NO_TOPIC}`: run `stripeline topics apply`. `{NotTakenReason.NOT_ALLOWED}`: grant"
        f" ingest Write on it. `{NotTakenReason.FULL}`: Kafka takes the notes too slowly",
    ),
    _counted(
        "stripeline_delivery_clock_skew_seconds", "gauge", ("trigger",),
        "Age of the last genuine delivery whose time was outside the tolerance",
        over="max",
        question="Is this host's clock wrong?",
        action="Positive: ahead of Stripe's. More than 300 is refused. The same sign on all triggers: set this host's"
        " clock. Otherwise somebody replays old deliveries",
    ),
    _counted(
        "stripeline_connections_closed_total", "counter", ("reason",),
        "Connections that we closed for what their client did, or did not do",
        words={"reason": (ClosedReason,)},
        question="Does somebody hold connections open?",
        action=f"`{ClosedReason.STALLED}`, `{ClosedReason.UNREAD}`, `{ClosedReason.TOO_MANY}`: limit them in the proxy"
        " in front",
    ),
)  # fmt: skip
