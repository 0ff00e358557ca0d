"""The floor of an executor: the bare aiohttp client making the same calls, so many at a time, and nothing else.

No Kafka, no order, no state: no worker that calls Stripe with this client can beat it. It prints what it measured.
"""

import asyncio
import sys
import time

import aiohttp
import orjson
import uvloop

IN_FLIGHT = 256
_FORM = "amount=6200&currency=eur&automatic_payment_methods%5Benabled%5D=true&metadata%5Bcommand%5D="


async def main(url: str, calls: int) -> None:
    numbers = iter(range(calls))
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT), timeout=timeout) as session:

        async def caller() -> None:
            for number in numbers:
                headers = {
                    "Authorization": "Bearer sk_test_bench",
                    "Stripe-Version": "2026-06-24.dahlia",
                    "Content-Type": "application/x-www-form-urlencoded",
                    "Idempotency-Key": f"bench:{number}",
                }
                body = f"{_FORM}c-{number}".encode()
                async with session.post(f"{url}/v1/payment_intents", data=body, headers=headers) as answer:
                    orjson.loads(await answer.read())

        began_s, used_s = time.perf_counter(), time.process_time()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        took_s, used_s = time.perf_counter() - began_s, time.process_time() - used_s
    print(orjson.dumps({"per_s": calls / took_s, "cpu_us": used_s / calls * 1e6}).decode())


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
