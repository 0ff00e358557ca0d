"""What a command record becomes, before its call and after it."""

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.ids import digest
from stripeline.contracts.internal_records import LedgerCommand, encode
from stripeline.contracts.retry_tiers import WINDOW_MS, parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Code, Verdict
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer, Succeeded, classify
from stripeline.workers.task.decision import Decision
from tests.support.records import Record, appended, command, command_record, installation, owner_of_acme

NOW = 2_000_000
TOPICS = Topics(tiers=parse_tiers("5s,30s"))
EXECUTOR = Executor(setup=Setup(topics=TOPICS, installation=installation, actions=actions(), owner=owner_of_acme))
DONE = Succeeded(output={"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1})
TRACE = ("traceparent", b"00-aa-bb-01")


def take(ledger, record, now_ms=NOW):
    decided = EXECUTOR.take(ledger, record, now_ms)
    if isinstance(decided, Decision):
        apply(ledger, decided)
    return decided


def settle(ledger, call, outcome, now_ms=NOW):
    decision = EXECUTOR.settle(ledger, call, outcome, now_ms)
    apply(ledger, decision)
    return decision


def apply(ledger, decision):
    for change in decision.changes:
        ledger.restore(change.key, change.record and encode(change.record))


def run(ledger, record, outcome=DONE, now_ms=NOW):
    call = take(ledger, record, now_ms)
    assert isinstance(call, Call)
    return settle(ledger, call, outcome, now_ms)


def failure(status=500, action="stripe/create-customer", **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(
        actions()[action], StripeAnswer(status=status, headers=given, body=b'{"error":{"type":"api_error"}}')
    )


def returned(decision, number=0, **fields):
    """The record that an outcome wrote into a tier, as the executor reads it back."""
    output = decision.outputs[number]
    return appended(output, **fields)


def results(decision):
    return [orjson.loads(output.value) for output in decision.outputs if output.topic == TOPICS.result]


def dead(decision):
    return [h.read(output.headers) for output in decision.outputs if output.topic == TOPICS.dead_letter]


def test_the_call_is_derived_from_its_command_alone():
    call = take(Ledger(), command_record(command(input={"name": "Ada"}), partition=3))
    assert isinstance(call, Call)
    assert (call.request.method, call.request.path) == ("POST", "/v1/customers")
    assert call.request.params == {
        "name": "Ada",
        "metadata": {
            "stripeline_installation": "inst1", "stripeline_command": "c1", "stripeline_partition": "3",
            "stripeline_digest": digest("stripe/create-customer", "acme", {"name": "Ada"}),
        },
    }  # fmt: skip
    assert call.idempotency_key == "stripeline:inst1:c1"


def test_a_read_carries_no_key_and_no_metadata():
    call = take(Ledger(), command_record(command(action="stripe/retrieve-charge", input={"id": "ch_1"})))
    assert isinstance(call, Call)
    assert (call.request.path, call.request.params, call.idempotency_key) == ("/v1/charges/ch_1", {}, None)


def test_a_success_is_one_result_under_the_commands_key():
    decision = run(
        Ledger(), command_record(command(run={"run_id": "r", "workflow": "w", "step": "s"}), headers=(TRACE,))
    )
    (output,) = decision.outputs
    assert (output.topic, output.key) == (TOPICS.result, b"k1")
    assert orjson.loads(output.value) == {
        "command_id": "c1", "revision": 0, "action": "stripe/create-customer", "connection": "acme",
        "status": "succeeded", "output": dict(DONE.output), "error": None, "attempts": 1, "started_at": 1_000_000,
        "finished_at": NOW, "run": {"run_id": "r", "workflow": "w", "step": "s"},
    }  # fmt: skip
    headers = h.read(output.headers)
    assert headers["traceparent"] == b"00-aa-bb-01"
    assert headers["ce_id"] == b"c1:0"
    assert headers["stripeline-connection"] == b"acme"


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"not JSON", b"[]", b"null", b"{}", orjson.dumps(command(command_id="")), b"\xff" * 100,
        orjson.dumps(command(command_id="with space")), orjson.dumps(command(input=[])),
        orjson.dumps({**command(), "command_id": "x" * 201}), orjson.dumps({**command(), "run": {"run_id": 5}}),
    ],
)  # fmt: skip
def test_an_unreadable_command_is_a_dead_letter_with_its_origin(value):
    record = Record(topic=TOPICS.command, partition=3, offset=42, key=b"k", value=value, headers=(("x", b"y"),))
    decision = take(Ledger(), record)
    (letter,) = dead(decision)
    assert (decision.outputs[0].key, decision.outputs[0].value) == (b"k", value)
    assert letter[h.REASON] == b"unreadable"
    assert letter[h.CODE] == b"VALIDATION_ERROR"
    assert (letter[h.ORIGIN_TOPIC], letter[h.ORIGIN_PARTITION], letter[h.ORIGIN_OFFSET]) == (
        TOPICS.command.encode(), b"3", b"42",
    )  # fmt: skip
    assert letter["x"] == b"y"
    assert decision.changes == ()


def test_a_key_of_a_megabyte_is_a_dead_letter():
    decision = take(Ledger(), command_record(key=b"k" * 1_000_000))
    assert b"key is longer" in dead(decision)[0][h.LAST_ERROR]


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"action": "stripe/refund"}, "VALIDATION_ERROR", "no such action"),
        ({"connection": "other"}, "VALIDATION_ERROR", "no connection 'other'"),
        ({"input": {"nmae": "Ada"}}, "VALIDATION_ERROR", "nmae"),
        ({"input": {"name": 5}}, "VALIDATION_ERROR", "name"),
        ({"not_after": NOW - 1}, "EXPIRED", "not_after"),
    ],
)
def test_a_command_that_we_refuse_fails_without_a_call(fields, code, says):
    ledger = Ledger()
    decision = take(ledger, command_record(command(**fields)))
    (result,) = results(decision)
    assert (result["status"], result["error"]["code"], result["error"]["retryable"]) == ("failed", code, False)
    assert says in result["error"]["message"]
    assert result["attempts"] == 0
    assert dead(decision) == []
    assert take(ledger, command_record(command(**fields))).verdict == Verdict.KNOWN


def test_a_path_can_not_be_injected_through_an_id():
    for wrong in ("", "..", "ch_1/refund", "a b", "ch?x=1"):
        decision = take(Ledger(), command_record(command(action="stripe/retrieve-charge", input={"id": wrong})))
        assert results(decision)[0]["error"]["code"] == "VALIDATION_ERROR"


def test_a_known_id_is_skipped_however_it_ended():
    for outcome in (DONE, failure(402)):
        ledger = Ledger()
        run(ledger, command_record(), outcome)
        assert take(ledger, command_record()) == Decision(Verdict.KNOWN)


def test_a_known_id_with_other_content_is_a_dead_letter():
    ledger = Ledger()
    run(ledger, command_record())
    decision = take(ledger, command_record(command(input={"name": "another"})))
    assert decision.verdict == Verdict.ID_REUSED
    assert dead(decision)[0][h.REASON] == b"id_reused"
    assert results(decision) == []


def test_the_same_id_in_flight_twice_gives_one_result():
    """Records without a key have no lane in common."""
    ledger = Ledger()
    first = take(ledger, command_record(key=None, offset=1))
    second = take(ledger, command_record(key=None, offset=2))
    assert len(results(settle(ledger, first, DONE))) == 1
    assert settle(ledger, second, DONE) == Decision(Verdict.KNOWN)


def test_a_final_failure_is_a_failed_result():
    decision = run(Ledger(), command_record(), failure(402))
    (result,) = results(decision)
    assert (result["status"], result["error"]["code"]) == ("failed", "PAYMENT_REQUIRED")
    assert dead(decision) == []


def test_a_retryable_failure_goes_to_the_first_tier():
    ledger = Ledger()
    decision = run(ledger, command_record(headers=(TRACE,)), failure(429))
    (output,) = decision.outputs
    headers = h.read(output.headers)
    assert output.topic == "stripe.action-retry.5s"
    assert (output.key, output.value) == (b"k1", command_record().value)
    assert {name: headers[name] for name in (h.ATTEMPT, h.DUE_AT, h.FIRST_APPENDED_AT, h.PLACE)} == {
        h.ATTEMPT: b"1", h.DUE_AT: str(NOW + 5_000).encode(), h.FIRST_APPENDED_AT: b"1000000", h.PLACE: b"0",
    }  # fmt: skip
    assert headers["traceparent"] == b"00-aa-bb-01"
    assert b"RATE_LIMITED" in headers[h.LAST_ERROR]
    assert EXECUTOR.due_ms(returned(decision)) == NOW + 5_000
    assert EXECUTOR.due_ms(command_record()) == 0


def test_after_the_last_tier_it_is_a_dead_letter():
    ledger = Ledger()
    first = run(ledger, command_record(), failure(429))
    second = run(ledger, returned(first), failure(429))
    assert second.outputs[0].topic == "stripe.action-retry.30s"
    third = run(ledger, returned(second, partition=2, offset=7), failure(429))
    (result,) = results(third)
    (letter,) = dead(third)
    assert (result["status"], result["attempts"], result["error"]["code"]) == ("failed", 3, "RATE_LIMITED")
    assert (letter[h.REASON], letter[h.CODE], letter[h.ATTEMPTS]) == (b"exhausted", b"RATE_LIMITED", b"3")
    assert h.DUE_AT not in letter
    assert h.PLACE not in letter
    assert ledger.sizes["queues"] == 0


def test_retry_after_takes_the_tier_that_covers_it():
    decision = run(Ledger(), command_record(), failure(429, retry_after="20"))
    assert decision.outputs[0].topic == "stripe.action-retry.30s"
    decision = run(Ledger(), command_record(), failure(429, retry_after="9999"))
    assert decision.outputs[0].topic == "stripe.action-retry.30s"


def test_a_read_is_never_indeterminate():
    record = command_record(command(action="stripe/retrieve-charge", input={"id": "ch_1"}))
    ledger = Ledger()
    decision = run(ledger, record, failure(500, "stripe/retrieve-charge"))
    for _ in range(2):
        due = returned(decision, timestamp=NOW - 600_000)
        decision = run(ledger, due, failure(500, "stripe/retrieve-charge"))
    assert results(decision)[0]["status"] == "failed"


def test_headers_of_another_team_are_not_ours():
    headers = ((h.ATTEMPT, b"99"), (h.FIRST_APPENDED_AT, b"9" * 13), (h.PLACE, b"7"), (h.DUE_AT, b"9" * 13))
    record = command_record(headers=headers)
    assert EXECUTOR.due_ms(record) == 0
    (result,) = results(run(Ledger(), record))
    assert (result["attempts"], result["started_at"]) == (1, record.timestamp)


def test_lanes_are_keys_and_no_key_is_a_lane_of_its_own():
    assert EXECUTOR.lane(command_record(offset=1)) == EXECUTOR.lane(command_record(offset=2))
    assert EXECUTOR.lane(command_record(key=None, offset=1)) != EXECUTOR.lane(command_record(key=None, offset=2))


def test_commands_without_a_key_never_queue():
    ledger = Ledger()
    decision = run(ledger, command_record(key=None), failure(429))
    assert h.PLACE not in h.read(decision.outputs[0].headers)
    assert ledger.sizes == {"commands": 1, "waiting": 1, "queues": 0}
    assert isinstance(take(ledger, command_record(command("c2"), key=None)), Call)


def test_later_commands_of_a_key_wait_behind_the_one_that_failed():
    ledger = Ledger()
    first = run(ledger, command_record(command("c1")), failure(429))
    second = take(ledger, command_record(command("c2")))
    third = take(ledger, command_record(command("c3")))
    assert [decision.verdict for decision in (second, third)] == ["held", "held"]
    assert [h.read(decision.outputs[0].headers)[h.PLACE] for decision in (first, second, third)] == [b"0", b"1", b"2"]
    assert isinstance(take(ledger, command_record(command("other"), key=b"k2")), Call)
    again = take(ledger, returned(third))
    assert again.verdict == Verdict.HELD
    assert h.read(again.outputs[0].headers)[h.PLACE] == b"2"
    assert again.changes == ()
    run(ledger, returned(first))
    run(ledger, returned(second))
    assert isinstance(take(ledger, command_record(command("c4"))), Decision)
    run(ledger, returned(again))
    assert ledger.queue("k1") is not None


def test_a_waiting_command_comes_back_when_the_head_is_due():
    ledger = Ledger()
    run(ledger, command_record(command("c1")), failure(429, retry_after="20"))
    held = take(ledger, command_record(command("c2")), NOW + 10_000)
    assert held.outputs[0].topic == "stripe.action-retry.30s"
    held = take(ledger, command_record(command("c3")), NOW + 26_000)
    assert held.outputs[0].topic == "stripe.action-retry.5s"


def test_a_dead_letter_frees_its_key():
    ledger = Ledger()
    decision = run(ledger, command_record(command("c1")), failure(429))
    second = take(ledger, command_record(command("c2")))
    for _ in range(2):
        decision = run(ledger, returned(decision), failure(429))
    assert dead(decision)
    assert isinstance(take(ledger, returned(second)), Call)


def test_a_waiting_command_that_was_settled_frees_its_key():
    ledger = Ledger()
    first = run(ledger, command_record(command("c1")), failure(500))
    known = ledger.known("c1")
    ended = LedgerCommand(status="succeeded", digest=known.digest, revision=1, at_ms=NOW)
    ledger.apply("command/c1", ended)
    assert take(ledger, returned(first)).verdict == Verdict.KNOWN
    assert ledger.queue("k1") is None


def test_ids_expire_after_the_window_unless_they_wait():
    ledger = Ledger()
    run(ledger, command_record(command("done")))
    run(ledger, command_record(command("waits"), key=b"k2"), failure(429))
    run(ledger, command_record(command("young"), key=b"k3"), now_ms=NOW + 10)
    assert [change.key for change in ledger.expired(NOW + WINDOW_MS - 1)] == []
    changes = list(ledger.expired(NOW + WINDOW_MS + 5))
    assert [(change.key, change.record) for change in changes] == [("command/done", None)]
    apply(ledger, Decision("", changes=tuple(changes)))
    assert ledger.known("done") is None
    assert ledger.sizes["commands"] == 2


def test_every_result_code_is_one_of_the_twelve():
    ours = {"EXPIRED", "INDETERMINATE", "ACCOUNT_CHANGED", "CANCELLED", "RETRY_REFUSED"}
    assert {code.value for code in Code} >= ours
    assert len(Code) == 7 + len(ours)


class TestAnOldEvent:  # case G02b
    """A command whose event was too old when it came: nobody knows whether it is the first of that event."""

    DAYS_MS = 24 * 3_600_000
    NOW = 1_790_000_000_000
    CREATED = (h.EVENT_CREATED_AT, str(NOW - 31 * DAYS_MS).encode())
    REPLAY = (h.REPLAY, b"{}")

    def record(self, *headers, timestamp=NOW, **fields):
        return command_record(command(**fields), headers=headers, timestamp=timestamp)

    def test_ends_without_a_call_and_says_why(self):
        decision = take(Ledger(), self.record(self.CREATED), self.NOW)
        assert decision.verdict == Verdict.FAILED
        (error,) = [result["error"] for result in results(decision)]
        assert (error["code"], error["retryable"]) == ("EXPIRED", False)
        assert "its event is of 2026-08-21, 31 days old, and what is older than 30 days" in error["message"]
        (letter,) = dead(decision)
        assert (letter[h.REASON], letter[h.ATTEMPTS]) == (b"event_too_old", b"0")
        assert letter[h.EVENT_CREATED_AT] == self.CREATED[1]

    def test_also_where_a_worker_died_meanwhile(self):
        decision = EXECUTOR.take(Ledger(), self.record(self.CREATED), self.NOW, maybe_attempted=True)
        assert (decision.verdict, results(decision)[0]["status"]) == (Verdict.FAILED, "failed")

    def test_is_carried_out_by_a_replay_and_only_once(self):
        ledger = Ledger()
        take(ledger, self.record(self.CREATED), self.NOW)
        replayed = self.record(self.CREATED, self.REPLAY, timestamp=self.NOW + 1)
        call = take(ledger, replayed, self.NOW + 1)
        assert isinstance(call, Call)
        assert call.request.method == "POST"
        assert results(settle(ledger, call, DONE, self.NOW + 2))[0]["revision"] == 1
        assert take(ledger, replayed, self.NOW + 3).verdict == Verdict.KNOWN

    def test_is_carried_out_also_days_after_its_dead_letter(self):
        ledger, later = Ledger(), self.NOW + 5 * self.DAYS_MS
        take(ledger, self.record(self.CREATED), self.NOW)
        aged = (h.FIRST_APPENDED_AT, str(self.NOW).encode())
        call = take(ledger, self.record(self.CREATED, aged, self.REPLAY, timestamp=later), later)
        assert isinstance(call, Call)
        assert (call.request.method, call.look_up) == ("POST", None)

    def test_is_retried_like_any_other_once_it_is_replayed(self):
        ledger = Ledger()
        take(ledger, self.record(self.CREATED), self.NOW)
        call = take(ledger, self.record(self.CREATED, self.REPLAY), self.NOW)
        waiting = settle(ledger, call, failure(), self.NOW)
        assert isinstance(take(ledger, returned(waiting), self.NOW + 5_000), Call)

    def test_is_read_at_stripe_all_the_same(self):
        reading = self.record(self.CREATED, action="stripe/retrieve-charge", input={"id": "ch_1"})
        assert isinstance(take(Ledger(), reading, self.NOW), Call)
