"""What the receiver tells of its work: one method for each thing. Whoever counts or traces implements it.

Names of triggers are those that exist, so their number is bounded; an unknown one is never passed on. `trace` is the
delivery's `traceparent`, once its signature was verified: each such delivery gets exactly one verdict.
"""

from typing import Protocol

from stripeline.ingest.publish_result import Published


class Observer(Protocol):
    def verified(self, trigger: str, secret_index: int) -> None:
        """Stripe's, and signed with this secret of the trigger's ring; 0 is its first."""
        ...

    def traced(self, trigger: str, received: str | None) -> bytes | None:
        """The trace that the event goes on with, out of the `traceparent` that came; None: we record none of our own.

        It is called after `verified`; the verdict on the event follows.
        """
        ...

    def published(self, trigger: str, topic: str, where: Published, seconds: float, trace: bytes) -> None:
        """Kafka has the event; `seconds` from the complete body to its acknowledgement."""
        ...

    def ignored(self, trigger: str, reason: str, trace: bytes) -> None:
        """Genuine, answered 2xx, not published: another family's, or thin."""
        ...

    def refused(self, trigger: str | None, status: int, reason: str, trace: bytes | None = None) -> None:
        """Answered 4xx; `trigger` is None where the request names none that exists."""
        ...

    def not_taken(self, trigger: str, reason: str, trace: bytes | None = None) -> None:
        """Answered 503: Kafka did not take it in time, or the trigger has no secret."""
        ...

    def clock_skew(self, trigger: str, seconds: int) -> None:
        """A genuine signature outside the tolerance; positive where our clock is ahead."""
        ...

    def connection_closed(self, reason: str) -> None:
        """Closed by us before it sent a request: `not_http`, `stalled` or `too_many`."""
        ...


class Unobserved:
    """Counts nothing."""

    def verified(self, trigger: str, secret_index: int) -> None: ...

    def traced(self, trigger: str, received: str | None) -> bytes | None: ...

    def published(self, trigger: str, topic: str, where: Published, seconds: float, trace: bytes) -> None: ...

    def ignored(self, trigger: str, reason: str, trace: bytes) -> None: ...

    def refused(self, trigger: str | None, status: int, reason: str, trace: bytes | None = None) -> None: ...

    def not_taken(self, trigger: str, reason: str, trace: bytes | None = None) -> None: ...

    def clock_skew(self, trigger: str, seconds: int) -> None: ...

    def connection_closed(self, reason: str) -> None: ...
