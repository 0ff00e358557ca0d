"""The channels of what Stripe delivers beside events with their objects, and of what ingest notes of it. Pure."""

from stripeline.contracts.topics import Topic
from stripeline.deploy.contract.channel import ID_KEY, Channel, Message, address_of


def thin_events(topic: Topic) -> Channel:
    key = {**ID_KEY, "description": "the id of the object that the event is about"}
    thin = Message(
        name="thin-event", title="a thin event", key=key, payload="thin-event", headers="thin-event-headers",
        about="As Stripe sent it. The executor fetches what it is about, and publishes that on its family's topic.",
    )  # fmt: skip
    return Channel(
        name="thin-event", topic=topic, address=address_of(topic), title="thin events",
        about="Stripe's verified events without their objects.", messages=[thin], writers=("ingest",),
        readers=("executor",),
    )  # fmt: skip


def health_events(topic: Topic) -> Channel:
    notice = Message(
        name="health-event", title="a notice of Stripe's", payload="thin-event", headers="thin-event-headers",
        key={**ID_KEY, "description": "the event's id"},
        about="Stripe failed to make events of the object that it names: they are neither sent nor listed.",
    )  # fmt: skip
    return Channel(
        name="health-event", topic=topic, address=address_of(topic), title="notices of events that were never made",
        about="Each as Stripe sent it.", messages=[notice], writers=("ingest",), readers=("other-teams", "operator"),
    )  # fmt: skip


def events_seen(topic: Topic) -> Channel:
    seen = Message(
        name="events-seen", title="events that were published", key={"type": "null"}, payload="events-seen",
        about="Written after the acknowledgement, and best effort.", ours=True,
    )  # fmt: skip
    return Channel(
        name="event-seen", topic=topic, address=address_of(topic), title="events that were published",
        about="Where ingest published which events: a comparison with Stripe's list leaves them out.", messages=[seen],
        writers=("ingest",), readers=("executor", "operator"),
    )  # fmt: skip
