"""The floor of a router: records in, as many records and changelog entries out, exactly once, and no decision at all.

aiokafka reads an event, writes its bytes to two topics in a transaction with the offset, one transaction a batch.
"""

import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

_PAUSE_S = 0.05


async def main(bootstrap_servers: str, events: str, out: str, changelog: str) -> None:
    consumer = AIOKafkaConsumer(
        events, bootstrap_servers=bootstrap_servers, group_id=out, enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, transactional_id=out, max_batch_size=262_144, linger_ms=0
    )
    async with consumer, producer:
        while True:
            read = await consumer.getmany(timeout_ms=500, max_records=500)
            if read:
                async with producer.transaction():
                    for tp, records in read.items():
                        for record in records:
                            for topic in (out, changelog):
                                await producer.send(topic, record.value, record.key, partition=tp.partition)
                    ends = {tp: records[-1].offset + 1 for tp, records in read.items()}
                    await producer.send_offsets_to_transaction(ends, out)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
