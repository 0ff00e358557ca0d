"""Which events a list shows, and which topics hold them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.families import families, text
from stripeline.contracts.topics import Topics
from stripeline.contracts.type_filters import matches
from stripeline.deploy.operations.reading.customers import customer_of
from stripeline.deploy.operations.reading.topic_reader import Read


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilters:
    """None, and no type at all, let all pass.

    types: as a workflow writes them, `payment_intent.*` among them.
    object_id: of the data object, or what the record is ordered by, such as the charge of a dispute.
    since_ms, until_ms: when ingest received it.
    """

    id: str | None = None
    types: tuple[str, ...] = ()
    trigger: str | None = None
    connection: str | None = None
    account: str | None = None
    object_id: str | None = None
    customer: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def match(self, read: Read) -> bool:
        """Headers are compared first: the values of most records need not be parsed."""
        return (
            (self.since_ms is None or read.at_ms >= self.since_ms)
            and (self.until_ms is None or read.at_ms <= self.until_ms)
            and self._match_headers(read)
            and self._match_event(read)
        )

    def topics(self, topics: Topics) -> Sequence[str]:
        """Where such events can be: of a type filter that names a family, on its topic alone."""
        kinds = [family for family in families().values() if _may_match(self.types, family.prefix)]
        return [topics.event(family.topic) for family in kinds]

    def words(self) -> str:
        """For the audit: `type payment_intent.*, object pi_1`."""
        named = {
            "event": self.id, "type": " ".join(self.types) or None, "trigger": self.trigger,
            "connection": self.connection, "account": self.account, "object": self.object_id,
            "customer": self.customer, "since": _time(self.since_ms), "until": _time(self.until_ms),
        }  # fmt: skip
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None) or "all events"

    def _match_headers(self, read: Read) -> bool:
        wanted = ((self.id, "ce_id"), (self.trigger, h.TRIGGER), (self.connection, h.CONNECTION))
        event_type = h.text(read.headers, "ce_type") or ""
        return all(one is None or h.text(read.headers, name) == one for one, name in wanted) and (
            not self.types or any(matches(one, event_type) for one in self.types)
        )

    def _match_event(self, read: Read) -> bool:
        if self.account is None and self.object_id is None and self.customer is None:
            return True
        event = event_of(read)
        data = event.get("data") or {}
        subject = None if read.key is None else read.key.decode("utf-8", "replace")
        return (
            (self.account is None or event.get("account") == self.account)
            and (self.object_id is None or self.object_id in {subject, text(data)})
            and (self.customer is None or customer_of(data) == self.customer)
        )


def event_of(read: Read) -> dict[str, Any]:
    """The event of a record; empty where the value is none."""
    try:
        found = orjson.loads(read.value or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _may_match(types: Sequence[str], prefix: str) -> bool:
    beginnings = [one.removesuffix("*") for one in types]
    return not types or any(one.startswith(prefix) or prefix.startswith(one) for one in beginnings)


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else h.rfc3339(at_ms)
