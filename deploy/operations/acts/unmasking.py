"""Records on the audit topic that a person looks at personal data, before it is shown."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.operations.acts.audit import Signed, record_act
from stripeline.workers.kafka.one_off_producer import one_off_producer

_DEADLINE_S: Final = 30.0


async def record_unmasking(topics: Topics, client: Mapping[str, Any], signed: Signed, about: str) -> None:
    """Returns when the brokers have it. Raises KafkaError, TimeoutError."""
    async with one_off_producer(client) as producer, asyncio.timeout(_DEADLINE_S):
        await record_act(producer, topics, AuditedAct.UNMASK_EVENTS, signed, about=about)
