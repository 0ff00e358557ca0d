"""An executor that is killed between applying a decision and committing it, a thousand times: no command is skipped.

The topic, the changelog and the commits are lists; what a process decides is there for the next one only after a
commit. Each process restores its state from the changelog, and packs it after a handful of commands.
"""

import random
from collections import Counter

import orjson
import pytest

from stripeline.contracts.internal_records import encode
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.packed import hash_index
from stripeline.workers.task.decision import Decision
from stripeline.workers.task.pending import Pending
from stripeline.workers.task.watermark import Watermark, decode
from tests.support.records import command, command_record
from tests.support.small_blocks import small_blocks
from tests.unit.workers.executor.test_before_call import EXECUTOR, NOW, TOPICS

KILLS, COMMANDS, LANES = 1_000, 500, 8
CUSTOMER = {"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1}


class Kafka:
    """Commands that stand on the topic twice, near or far, and what was committed."""

    def __init__(self, chance):
        twice = sorted(
            (place, number) for number in range(COMMANDS) for place in (number, number + chance.random() ** 3 * 400)
        )
        self.topic = [
            command_record(command(f"evt_{number}:thanks:deposit"), key=b"k%d" % number, offset=offset, timestamp=NOW)
            for offset, (_, number) in enumerate(twice)
        ]
        self.changelog, self.results, self.position, self.metadata = {}, [], 0, ""

    def restored(self):
        ledger = Ledger()
        for key, value in self.changelog.items():
            ledger.restore(key, value)
        return ledger

    def commit(self, ledger, pending, watermark):
        for key, record in pending.changes.items():
            self.changelog.pop(key, None)  # compacted
            self.changelog[key] = record and encode(record)
        self.results += [orjson.loads(output.value) for output in pending.outputs if output.topic == TOPICS.result]
        self.position, self.metadata = watermark.position, watermark.metadata()


class Process:
    """One life of an executor."""

    def __init__(self, kafka, posted):
        self.kafka, self.posted, self.ledger, self.pending, self.calls = kafka, posted, kafka.restored(), Pending(), {}
        self.watermark = Watermark(kafka.position, decode(kafka.position, kafka.metadata))

    def runs(self, chance, dies):
        """Whether it ended before the topic did: killed right after it applied a decision."""
        for record in self.kafka.topic[self.kafka.position :]:
            if not self.watermark.take(record.offset):
                continue
            while record.key in self.calls or len(self.calls) == LANES:
                lane = record.key if record.key in self.calls else chance.choice(list(self.calls))
                self.settle(lane)
                if dies():
                    return True
                if chance.random() < 0.2:
                    self.commit()
            decided = EXECUTOR.take(self.ledger, record, NOW, maybe_attempted=True)
            if isinstance(decided, Decision):
                self.apply(record.offset, decided)
            else:
                self.calls[record.key] = record.offset, decided
        while self.calls:
            self.settle(next(iter(self.calls)))
        self.commit()
        return False

    def settle(self, lane):
        offset, call = self.calls.pop(lane)
        self.posted[call.idempotency_key] += 1
        declined = int(lane[1:]) % 7 == 0
        body = {"error": {"type": "card_error", "message": "no"}} if declined else CUSTOMER
        answer = StripeAnswer(status=402 if declined else 200, headers={}, body=orjson.dumps(body))
        self.apply(offset, EXECUTOR.answered(self.ledger, call, answer, NOW))

    def apply(self, offset, decision):
        for change in decision.changes:
            self.ledger.apply(change.key, change.record)
        self.pending.add(decision)
        self.watermark.finish(offset)

    def commit(self):
        self.kafka.commit(self.ledger, self.pending, self.watermark)
        self.pending = Pending()


def test_no_command_is_skipped_or_done_twice_by_kills(monkeypatch: pytest.MonkeyPatch):
    small_blocks(monkeypatch)
    monkeypatch.setattr(
        hash_index, "hash", lambda key: int(key.split(":")[0][4:]) % 40, raising=False
    )  # many are alike
    chance = random.Random(20)
    kafka, posted, kills = Kafka(chance), Counter(), 0

    def dies():
        return kills < KILLS and chance.random() < 0.5

    while Process(kafka, posted).runs(chance, dies):
        kills += 1
    assert kills == KILLS
    results = Counter((result["command_id"], result["revision"]) for result in kafka.results)
    assert results == Counter({(f"evt_{number}:thanks:deposit", 0): 1 for number in range(COMMANDS)})
    assert len(posted) == COMMANDS  # one Idempotency-Key a command, so one effect, however often it was sent
    assert posted.total() > COMMANDS
    last = Process(kafka, posted).ledger
    assert {last.known(f"evt_{number}:thanks:deposit").status for number in range(0, COMMANDS, 7)} == {"failed"}
    assert last.sizes == {"commands": COMMANDS, "waiting": 0, "queues": 0}
