"""The row of an event. Pure."""

from typing import Any

from stripeline.contracts import headers as h
from stripeline.deploy.console.index.rows.cells import cell, id_cell, key_cell, ms_cell, seconds_cell
from stripeline.deploy.console.index.rows.summaries import EventSummary, summary
from stripeline.deploy.operations.reading.topic_reader import Read


def event_row(record: Read) -> dict[str, Any]:
    """Raises msgspec.DecodeError."""
    event = summary(EventSummary, record.value)
    data = event.data
    of_payment = data.id if data.object == "payment_intent" else data.payment_intent
    return {
        "topic": record.topic, "number": record.partition, "offset": record.offset,
        "event_id": cell(event.id), "type": cell(event.type),
        "trigger": cell(h.text(record.headers, h.TRIGGER)), "connection": cell(h.text(record.headers, h.CONNECTION)),
        "account": cell(event.account), "object_id": id_cell(data.id), "payment_intent": id_cell(of_payment),
        "customer": cell(data.customer_id), "livemode": event.livemode if isinstance(event.livemode, bool) else None,
        "key": key_cell(record.key), "created_ms": seconds_cell(event.created),
        "received_ms": ms_cell(record.at_ms) or 0, "late_by_ms": h.late_by_ms(record.headers),
    }  # fmt: skip
