"""The worker that tutorials show: aiokafka reads a batch, the Stripe SDK makes its calls, then the offset is committed.

At least once, in no order, no retries, and results that may come twice: what it leaves out is what it saves. It ends
when the topic is read to its end, and prints what it measured.
"""

import asyncio
import sys
import time

import orjson
import stripe
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

IN_FLIGHT = 256


async def main(bootstrap_servers: str, commands: str, results: str, url: str, count: int) -> None:
    http = stripe.AIOHTTPClient()
    client = stripe.StripeClient("sk_test_bench", http_client=http, base_addresses={"api": url})
    consumer = AIOKafkaConsumer(
        commands, bootstrap_servers=bootstrap_servers, group_id=results, enable_auto_commit=False,
        auto_offset_reset="earliest",
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)

    async def carry_out(record: ConsumerRecord) -> None:
        command = orjson.loads(record.value)
        made = await client.v1.payment_intents.create_async(
            {**command["input"], "metadata": {"command": command["command_id"]}},
            {"idempotency_key": command["command_id"]},
        )
        result = {"command_id": command["command_id"], "status": "succeeded", "output": {"id": made.id}}
        await producer.send(results, orjson.dumps(result), record.key)

    async with consumer, producer:
        done, began_s, used_s = 0, time.perf_counter(), time.process_time()
        while done < count:
            read = await consumer.getmany(timeout_ms=500, max_records=IN_FLIGHT)
            records = [record for some in read.values() for record in some]
            await asyncio.gather(*map(carry_out, records))
            await producer.flush()
            await consumer.commit()
            done += len(records)
        took_s, used_s = time.perf_counter() - began_s, time.process_time() - used_s
    await http.close_async()
    print(orjson.dumps({"per_s": done / took_s, "cpu_us": used_s / done * 1e6}).decode())


if __name__ == "__main__":
    bootstrap_servers, commands, results, url, count = sys.argv[1:]
    uvloop.run(main(bootstrap_servers, commands, results, url, int(count)))
