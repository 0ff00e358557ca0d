"""A state with many ids, built in this process without Kafka as a restore does it; prints what each id takes as JSON.

    python -m tests.bench.contenders.known_ids commands 5000000

`commands` and `uuids` fill an executor's ledger, with the ids of workflows and those that another team may choose;
`runs` a router's state.
"""

import base64
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator

from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.router.run_state import Runs
from tests.bench.processes import rss_mb

BEGAN_MS = 1_790_000_000_000
_CHUNK = 20_000
_ASKED = 20_000
Given = tuple[str, bytes]


def command_ids(count: int) -> Iterator[str]:
    """As Stripe's event ids are: alike in front, eight characters of chance behind."""
    for number in range(count):
        yield f"evt_1{number // 100:05}2eZvKYlo2C{_chance(6)}:thank-big-spenders:{('customer', 'deposit')[number % 2]}"


def _chance(size: int) -> str:
    return base64.urlsafe_b64encode(random.randbytes(size)).decode()


def commands(count: int) -> Iterator[Given]:
    """The changelog of commands that succeeded, 50 a second."""
    return _ledger(command_ids(count))


def uuids(count: int) -> Iterator[Given]:
    return _ledger(str(uuid.UUID(bytes=random.randbytes(16))) for _ in range(count))


def _ledger(ids: Iterator[str]) -> Iterator[Given]:
    for number, command_id in enumerate(ids):
        digest, at_ms = random.randbytes(12).hex(), BEGAN_MS + 20 * number
        yield (
            f"command/{command_id}",
            b'{"status":"succeeded","digest":"%s","revision":0,"at":%d}' % (digest.encode(), at_ms),
        )


def runs(count: int) -> Iterator[Given]:
    """The changelog of runs of two steps that succeeded, as short as they can be."""
    for number, command_id in enumerate(command_ids(count)):
        run = command_id.rpartition(":")[0]
        record = {
            "run": run, "workflow": "thank-big-spenders", "trigger": "acme-payments", "event": run.partition(":")[0],
            "event_type": "payment_intent.succeeded", "status": "succeeded", "step": None, "error": None, "steps": [],
            "started_at": BEGAN_MS + 20 * number, "finished_at": BEGAN_MS + 20 * number + 300, "definition": None,
            "context": None,
        }  # fmt: skip
        yield run, json.dumps(record).encode()


KINDS: dict[str, tuple[Callable[[int], Iterator[Given]], Callable[[], Ledger | Runs]]] = {
    "commands": (commands, Ledger), "uuids": (uuids, Ledger), "runs": (runs, Runs),
}  # fmt: skip


def main() -> None:
    kind, count = sys.argv[1], int(sys.argv[2])
    made, state = KINDS[kind][0](count), KINDS[kind][1]()
    base_mb, spent_s, asked = rss_mb(os.getpid()), 0.0, []
    for _ in range(0, count, _CHUNK):
        rows = [given for _, given in zip(range(_CHUNK), made, strict=False)]
        asked += random.sample(rows, max(1, _ASKED * len(rows) // count))
        began_s = time.thread_time()
        for key, value in rows:
            state.restore(key, value)
        spent_s += time.thread_time() - began_s
    rows.clear()
    found = {
        "bytes": (rss_mb(os.getpid()) - base_mb) / count * 1e6, "rss_mb": rss_mb(os.getpid()),
        "put_us": spent_s / count * 1e6, "miss_us": _us(state, [f"{key}x" for key, _ in asked], known=False),
        "hit_us": _us(state, random.sample([key for key, _ in asked], min(2_000, len(asked))), known=True),
    }  # fmt: skip
    print(json.dumps(found))


def _us(state: Ledger | Runs, keys: list[str], *, known: bool) -> float:
    """What it costs to ask for a key."""
    asks = [key.removeprefix("command/") for key in keys]
    ask = state.knows if isinstance(state, Runs) else lambda key: state.known(key) is not None
    began_s = time.thread_time()
    assert all(ask(key) is known for key in asks)
    return (time.thread_time() - began_s) / len(asks) * 1e6


if __name__ == "__main__":
    main()
