"""What the other processes, and the operator, learn from the control topic of what Stripe refuses. Pure."""

from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import refusal_key
from stripeline.contracts.operator.control_records import KeyRefusal
from stripeline.contracts.topics import Topics
from stripeline.workers.executor.connection.rate_gate import Observation, Pass
from stripeline.workers.task.decision import OutputRecord


def refusal_notices(
    topics: Topics, observed: Observation, permit: Pass, connection: str, account: str | None, now_ms: int
) -> tuple[OutputRecord, ...]:
    """The notice of a first refusal."""
    match observed:
        case Observation.KEY_REFUSED:
            key = refusal_key(connection)
        case Observation.ACCOUNT_REFUSED:
            key = refusal_key(connection, account)
        case _:
            return ()
    state = encode(KeyRefusal(key_name=permit.key or "", since_ms=now_ms))
    return (OutputRecord(topics.control, key.encode(), state, (), 0),)
