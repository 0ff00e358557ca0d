"""A text of others that repeats a secret, in every place where the executor and the router write it down again.

And what a person must decide about has Stripe's last status, code and request id.
"""

import io
import logging

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import LedgerCommand, encode, read
from stripeline.contracts.retry_tiers import HORIZON_MS, parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.failures import explain_failure
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.views import dead_letter_details, dead_letter_of
from stripeline.deploy.telemetry.logs import formatter
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.router import runs
from stripeline.workers.router.expressions import ExpressionError
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Decision
from tests.support.records import any_owner, appended, command, command_record, installation

START = 1_700_000_000_000
TOPICS = Topics(tiers=parse_tiers("1s,5s,30s,1h"))
SECRETS = (
    "sk_live_51Hxyz0123456789", "rk_live_51Hxyz0123456789", "pk_live_51Hxyz0123456789", "sk_org_51Hxyz0123456789",
    "whsec_51Hxyz0123456789", "pi_1_secret_51Hxyz0123456789",
)  # fmt: skip
PART = "51Hxyz0123456789"
EMPTY_SEARCH = StripeAnswer(status=200, headers={}, body=b'{"object": "search_result", "data": [], "has_more": false}')
EMPTY_LIST = StripeAnswer(status=200, headers={}, body=b'{"object": "list", "data": [], "has_more": false}')


def answer(status: int, message: str = "down", code: str | None = None, request: str = "req_1") -> StripeAnswer:
    error = {"type": "api_error", "message": message} | ({} if code is None else {"code": code})
    return StripeAnswer(status=status, headers={"request-id": request}, body=orjson.dumps({"error": error}))


class World:
    """One executor task that is answered from a list."""

    def __init__(self) -> None:
        self.executor = Executor(
            setup=Setup(topics=TOPICS, installation=installation, actions=actions(), owner=any_owner)
        )
        self.ledger, self.now, self.outputs, self.entries = Ledger(), START, [], []

    def run(self, record, *answers):
        """Take a command and all that comes back of it; each attempt gets the next answer, each look-up nothing."""
        left = list(answers)
        while record is not None:
            decided = self.executor.take(self.ledger, record, self.now)
            while isinstance(decided, Call):
                decided = self.executor.answered(self.ledger, decided, self.reply(decided, left), self.now)
            record = self.decided(decided)
        return self

    @staticmethod
    def reply(call, left):
        if call.look_up is None:
            return left.pop(0)
        return EMPTY_SEARCH if "/search" in call.request.path else EMPTY_LIST

    def decided(self, decision: Decision):
        self.outputs += decision.outputs
        for change in decision.changes:
            value = change.record and encode(change.record)
            self.ledger.restore(change.key, value)
            self.entries.append(value or b"")
        waits = [output for output in decision.outputs if TOPICS.is_retry(output.topic)]
        if not waits:
            return None
        record = appended(waits[0])
        self.now = max(self.now, self.executor.due_ms(record))
        return record

    def of(self, topic):
        return [output for output in self.outputs if output.topic == topic]

    @property
    def written(self) -> bytes:
        """All that went to Kafka but the command itself."""
        headers = [value for output in self.outputs for _, value in output.headers]
        values = [output.value or b"" for output in self.outputs if output.topic == TOPICS.result]
        return b"\n".join([*headers, *values, *self.entries])


def order(**fields):
    value = command("c1", input={}, **fields)
    return command_record(value, key=b"k", timestamp=START)


ANSWERS = {
    "a refusal": lambda text: [answer(400, f"No such customer: '{text}'")],
    "a code of another": lambda text: [answer(400, "no", code=text)],
    "a retry, used up": lambda text: [answer(429, text)] * 5,
    "an unknown outcome": lambda text: [answer(503, text)] * 5,
    "a refused key": lambda text: [answer(403, f"The provided key '{text}' does not have")],
}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
def test_no_answer_that_repeats_a_secret_is_written_down(answers, secret):
    """Its result, each tier's last error, the ledger's entry, the dead letter."""
    world = World().run(order(), *answers(secret))
    assert world.of(TOPICS.result)
    assert PART.encode() not in world.written
    assert "…masked".encode() in world.written or b"\\u2026masked" in world.written


@pytest.mark.parametrize("secret", SECRETS)
def test_a_look_up_that_fails_repeats_no_secret(secret):
    world = World()
    world.reply = lambda call, left: left.pop(0) if call.look_up is None else answer(400, secret)
    world.run(order(), *[answer(503)] * 5)
    assert world.of(TOPICS.dead_letter)
    assert PART.encode() not in world.written


@pytest.mark.parametrize("secret", SECRETS)
def test_a_dead_letter_and_a_stopped_run_repeat_no_secret(secret):
    letter = dead_letters.unreadable(TOPICS.dead_letter, order(), START, f"'{secret}' is no command")
    assert PART not in str(letter.headers)
    assert PART not in runs.broken(ExpressionError(f"no such overload: {secret}")).message


@pytest.mark.parametrize("secret", SECRETS)
def test_an_action_named_like_a_secret_is_not_repeated(secret):
    world = World().run(order(action=secret))
    assert world.of(TOPICS.result)
    (result,) = world.of(TOPICS.result)
    assert PART not in orjson.loads(result.value)["error"]["message"]


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("secret", SECRETS)
def test_no_log_line_repeats_a_secret(secret, readable):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(readable=readable))
    handler.handle(logging.LogRecord("x", logging.WARNING, "f", 1, "Stripe says %s", (secret,), None))
    assert PART not in stream.getvalue()


@pytest.mark.parametrize("secret", SECRETS)
def test_no_message_of_the_command_repeats_a_secret(secret, capsys):
    output.note(explain_failure(FailureError(f"Stripe says: {secret}")))
    assert PART not in capsys.readouterr().err


@pytest.mark.parametrize("secret", SECRETS)
def test_no_view_of_a_dead_letter_repeats_a_secret(secret):
    headers = {h.LAST_ERROR: f"Stripe says {secret}".encode(), h.REASON: b"unreadable"}
    found = Read(topic="t", partition=0, offset=1, key=b"k", value=secret.encode(), headers=headers, at_ms=1)
    assert PART not in str(dead_letter_details(dead_letter_of(found)))


FACTS = {"http_status": 503, "stripe_code": "lock_timeout", "request_id": "req_3"}
UNKNOWN = [answer(503, code="lock_timeout", request=f"req_{n}") for n in (1, 2, 3)]


def last(world) -> dict:
    return orjson.loads(world.of(TOPICS.result)[-1].value)["error"]


def test_three_503_and_nothing_found_keeps_the_last_answer():
    world = World().run(order(), *UNKNOWN, *UNKNOWN[-1:] * 2)
    assert last(world)["code"] == "INDETERMINATE"
    assert {name: last(world).get(name) for name in FACTS} == FACTS
    (letter,) = world.of(TOPICS.dead_letter)
    assert "Stripe's last answer: 503, lock_timeout, req_3" in h.text(h.read(letter.headers), h.LAST_ERROR)


@pytest.mark.parametrize("later", [Fault.LOST, Fault.REFUSED, StripeAnswer(status=502, headers={}, body=b"<html>")])
def test_what_is_no_answer_of_stripes_does_not_replace_it(later):
    world = World().run(order(), *UNKNOWN, later, later)
    assert {name: last(world).get(name) for name in FACTS} == FACTS


def test_a_look_up_that_fails_keeps_the_attempts_answer():
    world = World()
    world.reply = lambda call, left: left.pop(0) if call.look_up is None else answer(400, request="req_look")
    world.run(order(), *UNKNOWN, *UNKNOWN[-1:] * 2)
    assert {name: last(world).get(name) for name in FACTS} == FACTS


def test_a_look_ups_answer_is_better_than_none():
    world = World()
    world.reply = lambda call, left: left.pop(0) if call.look_up is None else answer(400, request="req_look")
    world.run(order(), *[Fault.LOST] * 5)
    assert (last(world)["http_status"], last(world)["request_id"]) == (400, "req_look")


def test_a_replay_that_finds_nothing_still_has_it():
    world = World().run(order(), *UNKNOWN, *UNKNOWN[-1:] * 2)
    world.now += HORIZON_MS
    world.run(command_record(command("c1", input={}), key=b"k", timestamp=START, headers=((h.REPLAY, b"r"),)))
    results = world.of(TOPICS.result)
    assert [orjson.loads(one.value)["revision"] for one in results] == [0, 1]
    assert {name: last(world).get(name) for name in FACTS} == FACTS


def test_a_retry_that_is_used_up_has_stripes_last_answer():
    limited = [answer(429, code="rate_limit", request="req_9")] * 3
    world = World().run(order(), *limited, Fault.REFUSED, Fault.REFUSED)
    assert (last(world)["code"], last(world)["http_status"], last(world)["request_id"]) == (
        "PROVIDER_ERROR", 429, "req_9",
    )  # fmt: skip


def test_the_ledger_keeps_it_through_the_tiers():
    world = World()
    call = world.executor.take(world.ledger, order(), world.now)
    world.decided(world.executor.answered(world.ledger, call, UNKNOWN[0], world.now))
    entries = [value for value in world.entries if b'"status"' in value]
    kept = read(LedgerCommand, entries[-1]).answer
    assert kept is not None
    assert (kept.http_status, kept.stripe_code, kept.request_id) == (503, "lock_timeout", "req_1")
