"""The gate: pacing per connection and endpoint, and a breaker that burns nothing while a key is refused."""

from itertools import pairwise

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import Connection
from stripeline.contracts.internal_records import LedgerCommand, encode
from stripeline.contracts.retry_tiers import parse_tiers, within
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault, Verdict
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection import rate_gate
from stripeline.workers.executor.connection.key_breaker import NOTICE_MS, PAUSE_MAX_MS, PROBE_LOST_MS
from stripeline.workers.executor.connection.pacing import PACE_MS
from stripeline.workers.executor.connection.rate_gate import ConnectionStatus, Hold, Observation, Pass, RateGate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import NoKey, StripeAnswer, Succeeded, classify
from stripeline.workers.task.decision import Decision
from tests.support.records import any_owner, appended, command, command_record, installation

NOW = 1_000_000
CREATE = actions()["stripe/create-customer"]
DONE = Succeeded(output={"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1})


def failure(status, code=None):
    body = orjson.dumps({"error": {"type": "invalid_request_error", "code": code}})
    return classify(CREATE, StripeAnswer(status=status, headers={}, body=body))


def hop(status):
    return classify(CREATE, StripeAnswer(status=status, headers={}, body=b'{"message": "Jwt is missing"}'))


DEAUTHORIZED = failure(403, "account_invalid")


class Facts:
    """What the control table says."""

    def __init__(self, account=None, endpoint=None):
        self.rates = {"acme": Rate(account=account, endpoint=endpoint)}
        self.part, self.keys, self.told = 1.0, {"acme": "k1", "other": "k1"}, {}
        self.pauses = {}
        self.gate = RateGate(
            limits=lambda name: self.rates.get(name, Rate()),
            share=lambda: self.part,
            key=self.keys.get,
            refused=lambda name, account: self.told.get(name if account is None else f"{name}/{account}"),
            paused=self.pauses.get,
        )

    def ask(self, now_ms=NOW, endpoint="/v1/customers", connection="acme", account=None):
        return self.gate.ask(connection, endpoint, now_ms, account=account)

    def observe(self, outcome, permit, now_ms=NOW, account=None):
        return self.gate.observe("acme", "/v1/customers", outcome, permit, now_ms, account)


def passes(facts, now_ms=NOW, **where):
    """How many calls pass before one is held."""
    count = 0
    while isinstance(facts.ask(now_ms, **where), Pass):
        count += 1
        assert count < 10_000
    return count


class TestPacing:
    def test_no_limit_is_no_wait(self):
        facts = Facts()
        assert {facts.ask().delay_ms for _ in range(1_000)} == {0}

    def test_calls_get_their_turns_one_after_the_other(self):
        facts = Facts(account=20)
        assert [facts.ask().delay_ms for _ in range(4)] == [0, 50, 100, 150]
        assert facts.ask(NOW + 1_000).delay_ms == 0

    def test_the_slower_of_account_and_endpoint_counts(self):
        facts = Facts(account=40, endpoint=20)
        assert [facts.ask().delay_ms for _ in range(3)] == [0, 50, 100]
        assert facts.ask(endpoint="/v1/charges/{id}").delay_ms == 75

    def test_beyond_a_bound_a_command_goes_round(self):
        facts = Facts(account=10)
        assert passes(facts) == PACE_MS / 100 + 1
        held = facts.ask()
        assert isinstance(held, Hold)
        assert held.wait_ms > PACE_MS

    def test_what_goes_round_has_a_turn_that_nobody_passes(self):
        facts = Facts(account=10)
        passes(facts)
        turns = [facts.ask().turn_ms for _ in range(3)]
        assert [later - earlier for earlier, later in pairwise(turns)] == [100, 100]
        early = facts.gate.ask("acme", "/v1/customers", NOW, turns[2])
        assert early == Hold(wait_ms=turns[2] - NOW, why="waits for its connection's rate", turn_ms=turns[2])
        assert isinstance(facts.gate.ask("acme", "/v1/customers", turns[0], turns[0]), Pass)

    def test_a_turn_that_comes_while_there_is_no_room_is_given_anew(self):
        facts = Facts(account=10)
        passes(facts)
        held = facts.gate.ask("acme", "/v1/customers", NOW, NOW)
        assert isinstance(held, Hold)
        assert held.turn_ms > NOW + PACE_MS

    def test_a_connection_at_its_limit_never_delays_another(self):
        facts = Facts(account=1)
        passes(facts)
        assert facts.ask(connection="other") == Pass(key="k1")

    def test_each_account_has_its_own_limit(self):
        facts = Facts(account=10)
        assert [facts.ask(account="acct_1").delay_ms for _ in range(3)] == [0, 100, 200]
        assert [facts.ask(account=account).delay_ms for account in (None, "acct_2")] == [0, 0]
        facts.observe(failure(429), facts.ask(account="acct_2"), account="acct_2")
        assert [facts.ask(NOW + 5_000).delay_ms for _ in range(2)] == [0, 100]

    def test_accounts_without_a_past_are_forgotten(self, monkeypatch):
        monkeypatch.setattr(rate_gate, "MAX_ACCOUNTS", 50)
        facts = Facts(account=10)
        facts.observe(DEAUTHORIZED, facts.ask(account="acct_gone"), account="acct_gone")
        for number in range(500):
            facts.ask(NOW + 60_000 * number, account=f"acct_{number}")
        assert len(facts.gate._known) <= 52
        facts.told["acme/acct_gone"] = ("k1", NOW)
        assert isinstance(facts.ask(account="acct_gone"), Hold)

    def test_a_process_uses_its_share(self):
        facts = Facts(account=10)
        facts.part = 0.5
        assert [facts.ask().delay_ms for _ in range(2)] == [0, 200]
        facts.part = 1.0
        assert facts.ask(NOW + 10_000).delay_ms == 0
        assert facts.ask(NOW + 10_000).delay_ms == 100

    def test_without_a_share_nothing_is_counted(self):
        facts = Facts(account=10)
        facts.part = 0.0
        assert [facts.ask().delay_ms for _ in range(3)] == [0, 0, 0]

    def test_a_429_halves_the_rate_once_per_burst_until_it_recovers(self):
        facts = Facts(account=10)
        permit = facts.ask()
        for _ in range(5):
            facts.gate.observe("acme", "/v1/customers", failure(429), permit, NOW)
        start = NOW + 1_000
        assert [facts.ask(start).delay_ms // 20 for _ in range(2)] == [0, 9]
        later = NOW + 120_000
        assert [facts.ask(later).delay_ms for _ in range(3)] == [0, 100, 200]

    def test_a_rate_that_nobody_slowed_stays_as_it_is(self):
        facts = Facts(account=10)
        for ms in (0, 10_000, 50_000):
            assert facts.ask(NOW + ms).delay_ms == 0
        assert facts.ask(NOW + 50_000).delay_ms == 100

    def test_a_storm_of_429_ends_at_a_floor(self):
        facts = Facts(account=32)
        for second in range(50):
            facts.gate.observe("acme", "/v1/customers", failure(429), Pass(), NOW + second * 1_000)
        assert facts.ask(NOW + 49_100).delay_ms == 0
        assert facts.ask(NOW + 49_100).wait_ms == 2_000

    @pytest.mark.parametrize(("backlog", "rate"), [(200, 10), (1_000, 25), (4_000, 25)])
    def test_a_backlog_is_worked_off_at_nearly_the_limit(self, backlog, rate):
        """Everything that goes round comes back in time to keep the connection busy."""
        tiers = parse_tiers("5s,30s,2m,10m,1h")
        facts, now, done, rounds = Facts(account=rate), NOW, [], 0
        waiting = [(NOW, None)] * backlog
        while waiting:
            due = [turn for at, turn in waiting if at <= now]
            waiting = [(at, turn) for at, turn in waiting if at > now]
            for turn in due:
                answer = facts.gate.ask("acme", "/v1/customers", now, turn)
                if isinstance(answer, Pass):
                    done.append(now + answer.delay_ms)
                else:
                    rounds += 1
                    tier = within(tiers, answer.wait_ms)
                    waiting.append((answer.due_ms(tier, now), answer.turn_ms))
            now += 50
        took_s = (max(done) - NOW) / 1000
        assert backlog / rate - 1 <= took_s <= 1.15 * backlog / rate
        assert rounds < 9 * backlog


class TestBreaker:
    def refused(self):
        facts = Facts()
        permit = facts.ask()
        assert facts.gate.observe("acme", "/v1/customers", failure(401), permit, NOW) is Observation.KEY_REFUSED
        return facts

    def test_the_first_401_of_a_key_closes_its_connection_alone(self):
        facts = self.refused()
        held = facts.ask()
        assert isinstance(held, Hold)
        assert held.turn_ms is None
        assert isinstance(facts.ask(connection="other"), Pass)

    def test_calls_that_were_under_way_are_not_burnt(self):
        facts = Facts()
        first, second = facts.ask(), facts.ask()
        assert facts.gate.observe("acme", "/v1/customers", failure(401), first, NOW) is Observation.KEY_REFUSED
        assert facts.gate.observe("acme", "/v1/customers", failure(401), second, NOW) is Observation.REFUSED_AGAIN

    def test_it_asks_less_and_less_often(self):
        facts = self.refused()
        facts.told["acme"] = ("k1", NOW)
        assert [facts.ask(NOW + ms).wait_ms for ms in (0, 30_000, 10**9)] == [1_000, 30_000, PAUSE_MAX_MS]

    def test_one_call_tries_a_new_key_and_the_others_follow(self):
        facts = self.refused()
        facts.keys["acme"] = "k2"
        probe = facts.ask()
        assert probe == Pass(key="k2", probe=True)
        assert isinstance(facts.ask(), Hold)
        assert facts.gate.observe("acme", "/v1/customers", DONE, probe, NOW) is Observation.ACCEPTED
        assert facts.ask() == Pass(key="k2")

    def test_a_call_that_never_came_back_is_followed_by_another(self):
        """Its task was closed meanwhile, and the gate is the process's."""
        facts = self.refused()
        facts.keys["acme"] = "k2"
        facts.ask()
        assert isinstance(facts.ask(NOW + PROBE_LOST_MS - 1), Hold)
        assert facts.ask(NOW + PROBE_LOST_MS) == Pass(key="k2", probe=True)

    def test_a_new_key_that_is_refused_too_closes_it_again(self):
        facts = self.refused()
        facts.keys["acme"] = "k2"
        probe = facts.ask()
        assert facts.gate.observe("acme", "/v1/customers", failure(401), probe, NOW) is Observation.KEY_REFUSED
        assert isinstance(facts.ask(), Hold)

    def test_a_late_answer_to_the_old_key_leaves_the_new_one(self):
        facts = Facts()
        old, older = facts.ask(), facts.ask()
        facts.gate.observe("acme", "/v1/customers", failure(401), old, NOW)
        facts.keys["acme"] = "k2"
        probe = facts.ask()
        assert facts.gate.observe("acme", "/v1/customers", failure(401), older, NOW) is Observation.REFUSED_AGAIN
        assert isinstance(facts.ask(), Hold)
        facts.gate.observe("acme", "/v1/customers", DONE, probe, NOW)
        assert isinstance(facts.ask(), Pass)

    def test_what_another_process_has_met_holds_here_too(self):
        facts = Facts()
        facts.told["acme"] = ("k1", NOW - 5_000)
        assert facts.ask().wait_ms == 5_000
        facts.keys["acme"] = "k2"
        assert facts.ask() == Pass(key="k2", probe=True)

    def test_an_old_note_about_another_key_means_nothing(self):
        facts = Facts()
        facts.told["acme"] = ("k0", NOW - 5_000)
        assert facts.ask() == Pass(key="k1")

    def test_other_failures_leave_it_open(self):
        facts = Facts()
        for status in (400, 403, 404, 500):
            assert (
                facts.gate.observe("acme", "/v1/customers", failure(status), facts.ask(), NOW) is Observation.ACCEPTED
            )
        assert isinstance(facts.ask(), Pass)

    def test_an_answer_that_is_not_stripes_leaves_it_open(self):
        facts = Facts()
        assert facts.observe(hop(401), facts.ask()) is Observation.ACCEPTED
        assert isinstance(facts.ask(), Pass)

    @pytest.mark.parametrize("account", [None, "acct_1"])
    def test_it_opens_once_the_control_topic_has_the_refusal_no_more(self, account):
        facts, key = Facts(), "acme" if account is None else "acme/acct_1"
        outcome = failure(401) if account is None else DEAUTHORIZED
        assert facts.observe(outcome, facts.ask(account=account), account=account) is not Observation.ACCEPTED
        assert isinstance(facts.ask(account=account), Hold)
        facts.ask(connection="other")
        facts.told[key] = ("k1", NOW)
        facts.gate.learn(NOW)
        del facts.told[key]
        assert facts.ask(account=account) == Pass(key="k1")

    def test_a_refusal_that_never_reached_the_control_topic_ends(self):
        facts = self.refused()
        assert isinstance(facts.ask(NOW + NOTICE_MS), Hold)
        assert facts.ask(NOW + NOTICE_MS + 1) == Pass(key="k1")

    def test_a_401_closes_the_connection_whatever_account_was_named(self):
        facts = Facts()
        assert facts.observe(failure(401), facts.ask(account="acct_1"), account="acct_1") is Observation.KEY_REFUSED
        assert isinstance(facts.ask(), Hold)
        assert isinstance(facts.ask(account="acct_2"), Hold)

    def test_a_403_account_invalid_closes_its_account_alone(self):
        facts = Facts()
        first, second = facts.ask(account="acct_1"), facts.ask(account="acct_1")
        assert facts.observe(DEAUTHORIZED, first, account="acct_1") is Observation.ACCOUNT_REFUSED
        assert facts.observe(DEAUTHORIZED, second, account="acct_1") is Observation.REFUSED_AGAIN
        held = facts.ask(account="acct_1")
        assert isinstance(held, Hold)
        assert "acct_1" in held.why
        assert facts.ask() == facts.ask(account="acct_2") == Pass(key="k1")

    @pytest.mark.parametrize("outcome", [failure(403), failure(403, "more_permissions_required"), hop(403)])
    def test_another_403_closes_nothing(self, outcome):
        facts = Facts()
        assert facts.observe(outcome, facts.ask(account="acct_1"), account="acct_1") is Observation.ACCEPTED
        assert isinstance(facts.ask(account="acct_1"), Pass)

    def test_account_invalid_without_an_account_closes_nothing(self):
        facts = Facts()
        assert facts.observe(DEAUTHORIZED, facts.ask()) is Observation.ACCEPTED
        assert isinstance(facts.ask(), Pass)

    def test_an_account_that_another_process_lost_is_held_here_too(self):
        facts = Facts()
        facts.told["acme/acct_1"] = ("k1", NOW - 5_000)
        assert facts.ask(account="acct_1").wait_ms == 5_000
        assert isinstance(facts.ask(), Pass)

    def test_a_new_key_tries_the_account_with_one_call(self):
        facts = Facts()
        facts.observe(DEAUTHORIZED, facts.ask(account="acct_1"), account="acct_1")
        facts.keys["acme"] = "k2"
        probe = facts.ask(account="acct_1")
        assert probe == Pass(key="k2", probe=True)
        assert isinstance(facts.ask(account="acct_1"), Hold)
        facts.gate.release("acme", probe, "acct_1")
        assert facts.ask(account="acct_1").probe
        assert facts.observe(DONE, probe, account="acct_1") is Observation.ACCEPTED
        assert facts.ask(account="acct_1") == Pass(key="k2")

    def test_the_end_of_a_call_of_a_forgotten_account_is_nothing(self):
        facts = Facts()
        facts.gate.release("acme", Pass(probe=True), "acct_forgotten")
        assert isinstance(facts.ask(account="acct_forgotten"), Pass)

    def test_a_person_pauses_and_resumes_a_connection(self):
        facts = Facts()
        facts.pauses["acme"] = NOW - 30_000
        held = facts.ask(account="acct_1")
        assert held == Hold(wait_ms=30_000, why="waits for its connection to be resumed", closed=True)
        assert isinstance(facts.ask(), Hold)
        assert isinstance(facts.ask(connection="other"), Pass)
        facts.pauses.clear()
        assert isinstance(facts.ask(), Pass)

    def test_a_gate_that_knows_no_keys_never_closes(self):
        facts = Facts()
        facts.keys.clear()
        assert facts.gate.observe("acme", "/v1/customers", failure(401), facts.ask(), NOW) is Observation.ACCEPTED


def test_a_replaced_key_has_another_name_without_the_secret():
    first, second = (Connection(secret_key=f"sealed:{text}", mode="test", hint="sk_test_…") for text in ("a", "b"))
    assert first.key_name != second.key_name
    assert "sealed" not in first.key_name


class TestInTheExecutor:
    def executor(self, facts):
        topics = Topics(tiers=parse_tiers("5s,30s"))
        return Executor(
            setup=Setup(topics=topics, installation=installation, actions=actions(), owner=any_owner),
            gate=facts.gate,
        )

    def apply(self, ledger, decision):
        assert isinstance(decision, Decision)
        for change in decision.changes:
            ledger.restore(change.key, change.record and encode(change.record))
        return decision

    def back(self, decision):
        return appended(decision.outputs[0])

    def test_a_paced_command_waits_in_order_without_an_attempt(self):
        facts, ledger = Facts(account=0.05), Ledger()
        executor = self.executor(facts)
        assert isinstance(executor.take(ledger, command_record(command("c0"), key=b"k0"), NOW), Call)
        held = self.apply(ledger, executor.take(ledger, command_record(command("c1")), NOW))
        headers = h.read(held.outputs[0].headers)
        assert (headers[h.ATTEMPT], headers[h.PLACE]) == (b"0", b"0")
        assert self.apply(ledger, executor.take(ledger, command_record(command("c2")), NOW)).verdict == Verdict.HELD
        call = executor.take(ledger, self.back(held), NOW + 40_000)
        assert isinstance(call, Call)
        decision = self.apply(ledger, executor.settle(ledger, call, DONE, NOW + 40_000))
        assert orjson.loads(decision.outputs[0].value)["attempts"] == 1

    def test_the_first_401_ends_its_command_and_the_rest_wait(self):
        facts, ledger = Facts(), Ledger()
        executor = self.executor(facts)
        first = executor.take(ledger, command_record(command("c1"), key=b"k1"), NOW)
        second = executor.take(ledger, command_record(command("c2"), key=b"k2"), NOW)
        decision = self.apply(ledger, executor.settle(ledger, first, failure(401), NOW))
        result, letter = decision.outputs
        (state,) = decision.notices
        assert orjson.loads(result.value)["error"]["code"] == "AUTH_EXPIRED"
        assert h.read(letter.headers)[h.REASON] == b"key_refused"
        assert (state.topic, state.key, state.partition) == ("stripe.control", b"state/acme", 0)
        assert orjson.loads(state.value) == {"refused_key": "k1", "since": NOW}
        waits = self.apply(ledger, executor.settle(ledger, second, failure(401), NOW))
        assert waits.verdict == Verdict.RETRIED
        assert h.read(waits.outputs[0].headers)[h.ATTEMPT] == b"0"
        held = self.apply(ledger, executor.take(ledger, command_record(command("c3"), key=b"k3"), NOW))
        assert held.verdict == Verdict.RETRIED
        facts.keys["acme"] = "k2"
        probe = executor.take(ledger, self.back(waits), NOW + 5_000)
        assert isinstance(probe, Call)
        self.apply(ledger, executor.settle(ledger, probe, DONE, NOW + 5_000))
        assert isinstance(executor.take(ledger, self.back(held), NOW + 5_000), Call)

    def test_an_account_that_refuses_is_named_on_the_control_topic(self):
        facts, ledger = Facts(), Ledger()
        executor = self.executor(facts)
        call = executor.take(ledger, command_record(command(account="acct_1")), NOW)
        decision = self.apply(ledger, executor.settle(ledger, call, DEAUTHORIZED, NOW))
        (notice,) = decision.notices
        assert (notice.key, orjson.loads(notice.value)) == (
            b"state/acme/acct_1", {"refused_key": "k1", "since": NOW},
        )  # fmt: skip
        assert orjson.loads(decision.outputs[0].value)["error"]["code"] == "AUTH_EXPIRED"

    def test_an_answer_of_a_hop_refuses_no_key(self):
        facts, ledger = Facts(), Ledger()
        executor = self.executor(facts)
        call = executor.take(ledger, command_record(), NOW)
        answer = StripeAnswer(status=401, headers={}, body=b"<html>")
        waits = self.apply(ledger, executor.answered(ledger, call, answer, NOW))
        assert (waits.verdict, waits.notices) == (Verdict.RETRIED, ())
        assert isinstance(executor.take(ledger, self.back(waits), NOW + 5_000), Call)

    def test_a_refusal_never_ends_a_look_up(self):
        facts, ledger = Facts(), Ledger()
        executor = self.executor(facts)
        decision, now = executor.take(ledger, command_record(), NOW), NOW
        for _ in range(3):
            waits = self.apply(ledger, executor.settle(ledger, decision, classify(CREATE, Fault.LOST), now))
            now += 200_000
            decision = executor.take(ledger, self.back(waits), now)
        assert decision.look_up is not None
        answer = StripeAnswer(status=401, headers={}, body=b'{"error":{"type":"invalid_request_error"}}')
        waits = self.apply(ledger, executor.answered(ledger, decision, answer, now))
        assert (waits.verdict, len(waits.notices)) == (Verdict.RETRIED, 1)
        assert self.apply(ledger, executor.take(ledger, self.back(waits), now + 10_000)).verdict == Verdict.RETRIED

    def test_a_command_whose_key_cannot_be_opened_waits(self):
        facts, ledger = Facts(), Ledger()
        facts.observe(failure(401), facts.ask())
        facts.keys["acme"] = "k2"
        executor = self.executor(facts)
        call = executor.take(ledger, command_record(), NOW)
        assert call.permit.probe
        waits = self.apply(ledger, executor.answered(ledger, call, NoKey(connection="acme"), NOW))
        assert (waits.verdict, h.read(waits.outputs[0].headers)[h.ATTEMPT]) == (Verdict.RETRIED, b"0")
        assert executor.take(ledger, self.back(waits), NOW + 5_000).permit.probe

    def test_what_a_webhook_settled_meanwhile_does_not_wait(self):
        facts, ledger = Facts(), Ledger()
        executor = self.executor(facts)
        first = executor.take(ledger, command_record(command("c0"), key=b"k0"), NOW)
        call = executor.take(ledger, command_record(), NOW)
        executor.settle(ledger, first, failure(401), NOW)
        ledger.apply("command/c1", LedgerCommand(status="succeeded", digest="d", revision=0, at_ms=NOW))
        assert executor.settle(ledger, call, failure(401), NOW).verdict == Verdict.KNOWN
        assert executor.answered(ledger, call, NoKey(connection="acme"), NOW).verdict == Verdict.KNOWN


class TestConnectionStatuss:
    def test_rates_lines_and_their_recovery(self):
        facts = Facts(account=10)
        assert list(facts.gate.connections(NOW)) == []
        assert passes(facts) > 0
        assert isinstance(facts.ask(), Hold)
        facts.gate.observe("acme", "/v1/customers", failure(429), Pass(), NOW + 100)
        (seen,) = facts.gate.connections(NOW + 100)
        assert (seen.paused, seen.rates) == (False, {"": (5, 10)})
        assert seen.line_ms > 0
        (seen,) = facts.gate.connections(NOW + 120_000)
        assert (seen.line_ms, seen.rates) == (0, {"": (10, 10)})

    def test_a_connection_is_paused_by_its_own_401_or_by_anothers(self):
        facts = Facts()
        facts.gate.observe("acme", "/v1/customers", failure(401), facts.ask(), NOW)
        facts.ask(connection="other")
        facts.told["other"] = ("k1", NOW)
        assert [seen.paused for seen in facts.gate.connections(NOW)] == [True, True]
        facts.keys["other"] = "k2"
        assert list(facts.gate.connections(NOW))[1] == ConnectionStatus(
            connection="other", paused=False, line_ms=0, rates={}
        )
