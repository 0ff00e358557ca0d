"""Unknown outcomes: the same key again, then a look-up, then settled or parked. Replays. Never a second effect."""

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import HORIZON_MS, parse_tiers
from stripeline.contracts.stripe_metadata import Origin
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault, Verdict
from stripeline.workers.actions import actions
from stripeline.workers.executor import stripe_lookup
from stripeline.workers.executor.after_call import MAX_LOOKS
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.rate_gate import Observation, RateGate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Failed, StripeAnswer, Succeeded, classify
from stripeline.workers.executor.stripe_lookup import Missing
from stripeline.workers.task.decision import Decision
from tests.support.records import (
    INSTALLATION,
    Record,
    any_owner,
    appended,
    command,
    command_record,
    installation,
    owner_of_acme,
)

START = 1_000_000
AFTER_MS = 120_000
TOPICS = Topics(tiers=parse_tiers("5s,30s"))
ACTIONS = actions()
CREATE = ACTIONS["stripe/create-customer"]
CUSTOMER = {"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1}
FOUND = Succeeded(output=CUSTOMER)
REPLAY = ((h.REPLAY, b"{}"),)


def failure(status=500, **headers):
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(CREATE, StripeAnswer(status=status, headers=given, body=b'{"error":{"type":"api_error"}}'))


def acts(decision):
    """What a decision says of the dead letters of its command."""
    written = [orjson.loads(output.value) for output in decision.outputs if output.topic == TOPICS.audit]
    assert all(act["by"] == "executor" and not act["records"] for act in written)
    return [(act["act"], act["about"]) for act in written]


LOST = classify(CREATE, Fault.LOST)
STORED = failure(500, idempotent_replayed="true")


class World:
    """One command on its way, with a clock that goes to whatever is due."""

    def __init__(self):
        self.executor = Executor(
            setup=Setup(topics=TOPICS, installation=installation, actions=ACTIONS, owner=owner_of_acme)
        )
        self.ledger, self.now = Ledger(), START
        self.attempts, self.looks, self.results, self.dead = [], 0, [], []

    def run(self, record, *outcomes, now_ms=None, again=False):
        """Take a record, and everything that comes back of it, until no outcome is left or nothing waits."""
        self.now = self.now if now_ms is None else now_ms
        left = list(outcomes)
        while True:
            decision = self.decide(self.executor.take(self.ledger, record, self.now, again), left)
            waits = [output for output in decision.outputs if output.topic in TOPICS.retries]
            if not waits or not left:
                return decision
            record = self.returned(waits[0])
            self.now = max(self.now, self.executor.due_ms(record))

    def decide(self, decided, left):
        while isinstance(decided, Call):
            if decided.look_up is not None:
                self.looks += 1
            else:
                self.attempts.append((decided.idempotency_key, decided.request, self.now))
            decided = self.executor.settle(self.ledger, decided, left.pop(0), self.now)
        for change in decided.changes:
            self.ledger.restore(change.key, change.record and encode(change.record))
        for output in decided.outputs:
            if output.topic == TOPICS.result:
                self.results.append(orjson.loads(output.value))
            elif output.topic == TOPICS.dead_letter:
                self.dead.append(h.read(output.headers))
        return decided

    @staticmethod
    def returned(output):
        return appended(output)

    def webhook(self, data, command_id="c1", connection=b"acme", account=None):
        headers = ((h.SETTLES, command_id.encode()), (h.CONNECTION, connection), (h.TRACEPARENT, b"00-ee-ff-01"))
        headers += () if account is None else ((h.ACCOUNT, account),)
        record = Record(topic=TOPICS.command, key=None, value=orjson.dumps(data), headers=headers, offset=99)
        return self.run(record)


def with_connection(executor, *, exists):
    return replace(executor, setup=replace(executor.setup, owner=any_owner if exists else lambda _: None))


def origin(command_id):
    return Origin(installation=INSTALLATION, command_id=command_id)


def marks(command_id, of=INSTALLATION):
    return {"stripeline_installation": of, "stripeline_command": command_id}


def tagged(**fields):
    return {**CUSTOMER, "metadata": marks("c1"), **fields}


def test_every_attempt_sends_the_same_key_and_parameters():
    world = World()
    world.run(command_record(command(input={"name": "Ada"})), LOST, failure(500), FOUND)
    assert len({key for key, _, _ in world.attempts}) == 1
    assert all(request == world.attempts[0][1] for _, request, _ in world.attempts)
    assert [result["status"] for result in world.results] == ["succeeded"]


def test_an_unknown_outcome_without_attempts_left_is_looked_up():
    world = World()
    world.run(command_record(), LOST, LOST, LOST, FOUND)
    assert (len(world.attempts), world.looks) == (3, 1)
    assert world.now >= world.attempts[-1][2] + AFTER_MS
    assert [(result["status"], result["revision"]) for result in world.results] == [("succeeded", 0)]
    assert world.dead == []


def test_a_look_up_is_not_made_before_the_index_can_have_it():
    """The last tier is shorter than the index may lag: the command goes round as often as it must."""
    world = World()
    decision = world.run(command_record(), STORED)
    for _ in range(4):
        record = world.returned(decision.outputs[0])
        world.now = world.executor.due_ms(record)
        decision = world.executor.take(world.ledger, record, world.now)
        if isinstance(decision, Call):
            break
    assert isinstance(decision, Call)
    assert decision.look_up is not None
    assert START + AFTER_MS <= world.now < START + AFTER_MS + 30_000


@pytest.mark.parametrize("outcome", [STORED, failure(500, stripe_should_retry="false")])
def test_a_stored_failure_is_looked_up_without_another_attempt(outcome):
    world = World()
    world.run(command_record(), outcome, FOUND)
    assert (len(world.attempts), world.looks) == (1, 1)
    assert world.results[0]["status"] == "succeeded"


def test_not_found_is_indeterminate_and_a_complete_dead_letter():
    world = World()
    world.run(command_record(), STORED, Missing())
    (result,), (letter,) = world.results, world.dead
    assert (result["status"], result["error"]["code"], result["attempts"]) == ("indeterminate", "INDETERMINATE", 1)
    assert (letter[h.REASON], letter[h.CODE]) == (b"indeterminate", b"INDETERMINATE")
    assert b"stripeline:inst1:c1" in letter[h.LAST_ERROR]
    assert int(letter[h.FIRST_APPENDED_AT]) == START


def test_an_unknown_outcome_stays_so_until_stripe_decides():
    for decisive, status in ((failure(402), "failed"), (FOUND, "succeeded")):
        world = World()
        world.run(command_record(), LOST, failure(429), decisive)
        assert [result["status"] for result in world.results] == [status]
        assert world.looks == 0
    world = World()
    world.run(command_record(), LOST, failure(429), failure(401), Missing())
    assert (world.looks, world.results[0]["status"]) == (1, "indeterminate")


def test_a_failure_without_an_effect_is_never_looked_up():
    world = World()
    world.run(command_record(), failure(429), failure(429), failure(429))
    assert (world.looks, world.results[0]["status"], world.dead[0][h.REASON]) == (0, "failed", b"exhausted")


def test_a_look_up_that_fails_is_tried_again_and_not_for_ever():
    world = World()
    world.run(command_record(), STORED, failure(503), failure(429), FOUND)
    assert (world.looks, world.results[0]["status"]) == (3, "succeeded")
    world = World()
    world.run(command_record(), STORED, *[failure(503)] * MAX_LOOKS)
    assert (world.looks, world.results[0]["status"]) == (MAX_LOOKS, "indeterminate")
    world = World()
    world.run(command_record(), STORED, failure(401))
    assert (world.looks, world.results[0]["status"]) == (1, "indeterminate")


def test_no_attempt_is_made_past_the_horizon_only_a_look_up():
    world = World()
    world.run(command_record(), FOUND, now_ms=START + HORIZON_MS, again=True)
    assert (world.attempts, world.looks) == ([], 1)
    assert world.now >= START + HORIZON_MS + AFTER_MS
    world = World()
    world.run(command_record(), Missing(), now_ms=START + 25 * 3_600_000, again=True)
    assert (world.attempts, world.results[0]["status"], world.dead[0][h.REASON]) == (
        [],
        "indeterminate",
        b"past_horizon",
    )


def test_one_millisecond_before_the_horizon_is_an_attempt():
    world = World()
    world.run(command_record(), FOUND, now_ms=START + HORIZON_MS - 1, again=True)
    assert len(world.attempts) == 1


def test_a_read_may_be_sent_at_any_time():
    world = World()
    record = command_record(command(action="stripe/retrieve-charge", input={"id": "ch_1"}))
    world.run(record, Succeeded(output={}), now_ms=START + 2 * HORIZON_MS)
    assert (len(world.attempts), world.looks) == (1, 0)


def test_a_header_can_make_a_command_older_and_never_younger():
    for claimed, attempts in ((0, 0), (START + 10**9, 1)):
        world = World()
        record = command_record(headers=((h.FIRST_APPENDED_AT, str(claimed).encode()),), timestamp=START + HORIZON_MS)
        world.run(record, FOUND, now_ms=START + HORIZON_MS)
        assert len(world.attempts) == attempts


def test_the_horizon_counts_from_the_first_append_across_tiers():
    world = World()
    decision = world.run(command_record(), LOST)
    world.run(world.returned(decision.outputs[0]), Missing(), now_ms=START + HORIZON_MS + AFTER_MS)
    assert (len(world.attempts), world.looks) == (1, 1)


class TestPastItsTime:
    """A command past its `not_after`: not attempted any more, and looked up first where an attempt may have been."""

    def late(self, *looked, unknown):
        """One that was lost, or that a worker which died may have attempted; then its time is over."""
        world, record = World(), command_record(command(not_after=START))
        if unknown:
            record = world.returned(world.run(record, LOST).outputs[0])
        world.run(record, *looked, now_ms=START + 5_000, again=not unknown)
        return world

    @pytest.mark.parametrize("unknown", [True, False])
    def test_it_succeeded_if_it_is_found(self, unknown):
        world = self.late(FOUND, unknown=unknown)
        assert (len(world.attempts), world.looks) == (int(unknown), 1)
        assert world.now >= START + 5_000 + AFTER_MS
        assert [(result["status"], result["output"]["id"]) for result in world.results] == [("succeeded", "cus_1")]
        assert world.dead == []

    def test_what_was_lost_and_is_not_found_is_indeterminate(self):
        world = self.late(Missing(), unknown=True)
        assert (len(world.attempts), world.looks) == (1, 1)
        assert [result["status"] for result in world.results] == ["indeterminate"]
        assert [letter[h.REASON] for letter in world.dead] == [b"indeterminate"]

    def test_expires_when_not_found_and_not_known_as_attempted(self):
        world = self.late(Missing(), unknown=False)
        assert (world.attempts, world.looks) == ([], 1)
        assert [(result["status"], result["error"]["code"]) for result in world.results] == [("failed", "EXPIRED")]
        assert world.dead == []

    def test_what_can_not_be_looked_up_is_indeterminate(self):
        world = self.late(*[failure(500)] * MAX_LOOKS, unknown=False)
        assert (world.attempts, world.looks) == ([], MAX_LOOKS)
        assert [result["status"] for result in world.results] == ["indeterminate"]

    def test_a_replay_is_looked_up_and_never_attempted(self):
        world = self.late(Missing(), unknown=True)
        world.run(command_record(command(not_after=START), headers=REPLAY), Missing())
        assert (len(world.attempts), world.looks) == (1, 2)
        assert [(result["status"], result["revision"]) for result in world.results] == [
            ("indeterminate", 0), ("indeterminate", 1),
        ]  # fmt: skip

    def test_why_it_failed_before_is_kept(self):
        """Refused while a worker that died may have had it, and then its time is over before it is looked up."""
        world = World()
        decision = world.run(command_record(command(not_after=START)), failure(401), again=True)
        world.run(world.returned(decision.outputs[0]), Missing(), now_ms=START + 5_000)
        assert [result["error"]["code"] for result in world.results] == ["AUTH_EXPIRED"]

    def test_expires_at_once_without_a_possible_effect(self):
        read = {"action": "stripe/retrieve-charge", "input": {"id": "ch_1"}}
        for fields, again in (({}, False), (read, True)):
            world = World()
            world.run(command_record(command(**fields, not_after=START)), now_ms=START + 1, again=again)
            assert (world.attempts, world.looks, world.results[0]["error"]["code"]) == ([], 0, "EXPIRED")


class TestReplay:
    def parked(self, *outcomes):
        world = World()
        world.run(command_record(), *outcomes)
        return world

    def test_of_a_failed_command_ends_as_the_next_revision(self):
        world = self.parked(failure(402))
        world.run(command_record(headers=REPLAY), FOUND)
        assert [(result["status"], result["revision"]) for result in world.results] == [("failed", 0), ("succeeded", 1)]
        assert world.looks == 0
        assert len({key for key, _, _ in world.attempts}) == 1

    @pytest.mark.parametrize("status", [401, 403])
    def test_of_a_refused_key_is_done_once_the_key_is_mended(self, status):
        world = self.parked(failure(status))
        letter = world.dead[0]
        assert (letter[h.REASON], letter[h.CODE], letter[h.ATTEMPTS]) == (b"key_refused", b"AUTH_EXPIRED", b"1")
        world.run(command_record(headers=REPLAY), FOUND)
        assert [(result["status"], result["revision"]) for result in world.results] == [("failed", 0), ("succeeded", 1)]
        assert (world.looks, len(world.dead)) == (0, 1)

    @pytest.mark.parametrize("status", [400, 402, 404])
    def test_is_not_offered_for_what_stripe_has_decided(self, status):
        assert self.parked(failure(status)).dead == []

    def test_twice_gives_one_effect_and_one_result(self):
        world = self.parked(failure(402))
        world.run(command_record(headers=REPLAY), FOUND)
        assert world.run(command_record(headers=REPLAY)) == Decision(Verdict.KNOWN)

    def test_of_an_indeterminate_command_is_looked_up_first(self):
        world = self.parked(STORED, Missing())
        world.run(command_record(headers=REPLAY), FOUND)
        assert (len(world.attempts), world.looks) == (1, 2)
        assert world.results[-1]["status"] == "succeeded"
        assert world.results[-1]["revision"] == 1

    def test_of_an_indeterminate_command_not_found_uses_the_same_key(self):
        world = self.parked(STORED, Missing())
        world.run(command_record(headers=REPLAY), Missing(), FOUND)
        assert [key for key, _, _ in world.attempts] == ["stripeline:inst1:c1"] * 2
        assert world.results[-1]["status"] == "succeeded"

    def test_ends_though_nothing_is_ever_found(self):
        world = self.parked(STORED, Missing())
        world.run(command_record(headers=REPLAY), Missing(), STORED, Missing())
        assert [result["revision"] for result in world.results] == [0, 1]
        assert world.results[-1]["status"] == "indeterminate"
        assert len(world.dead) == 2

    def test_that_a_look_up_decides_closes_its_dead_letter(self):
        world = self.parked(STORED, Missing())
        assert acts(world.run(command_record(headers=REPLAY), FOUND)) == [("settled", "command c1")]

    def test_that_is_attempted_writes_nothing_of_its_letter(self):
        world = self.parked(failure(402))
        assert acts(world.run(command_record(headers=REPLAY), FOUND)) == []

    def test_that_is_left_to_a_person_again_closes_no_letter(self):
        world = self.parked(STORED, Missing())
        assert acts(world.run(command_record(headers=REPLAY), Missing(), STORED, Missing())) == []

    def test_in_doubt_whose_time_has_passed_closes_its_letter(self):
        world, late = World(), command(not_after=START + 60_000)
        world.run(command_record(late), failure(429), failure(429), failure(429))
        assert len(world.dead) == 1
        decided = world.run(command_record(late, headers=REPLAY), Missing(), again=True, now_ms=START + 70_000)
        assert (world.results[-1]["error"]["code"], acts(decided)) == ("EXPIRED", [("settled", "command c1")])

    def test_past_the_horizon_is_never_attempted(self):
        world = self.parked(STORED, Missing())
        world.run(command_record(headers=REPLAY), Missing(), now_ms=START + HORIZON_MS + AFTER_MS)
        assert len(world.attempts) == 1
        assert world.results[-1]["status"] == "indeterminate"
        assert world.dead[-1][h.REASON] == b"past_horizon"

    def test_with_other_parameters_is_refused_loudly(self):
        world = self.parked(failure(402))
        world.run(command_record(command(input={"name": "other"}), headers=REPLAY))
        assert world.dead[-1][h.REASON] == b"id_reused"

    def test_goes_behind_a_key_that_waits(self):
        world = self.parked(failure(402))
        world.run(command_record(command("c2")), failure(429))
        assert world.run(command_record(headers=REPLAY)).verdict == Verdict.HELD
        assert world.run(command_record(headers=REPLAY)) == Decision(Verdict.KNOWN)


class TestWebhook:
    def test_settles_an_indeterminate_command_with_the_next_revision(self):
        world = World()
        world.run(command_record(command(run={"run_id": "r", "workflow": "w", "step": "s"})), STORED, Missing())
        decision = world.webhook(tagged())
        assert decision.verdict == Verdict.SETTLED
        result = world.results[-1]
        assert (result["status"], result["revision"], result["output"]) == ("succeeded", 1, CUSTOMER)
        assert (result["run"]["run_id"], result["action"], result["connection"]) == ("r", CREATE.key, "acme")
        assert decision.outputs[0].key == b"k1"
        assert h.read(decision.outputs[0].headers)["traceparent"] == b"00-ee-ff-01"
        assert world.webhook(tagged()).verdict == Verdict.UNRELATED

    def test_that_settles_closes_the_commands_dead_letter(self):
        world = World()
        world.run(command_record(), STORED, Missing())
        assert acts(world.webhook(tagged())) == [("settled", "command c1")]

    def test_without_a_dead_letter_closes_none(self):
        world = World()
        world.run(command_record(), LOST)
        assert acts(world.webhook(tagged())) == []

    def test_during_a_replay_closes_the_dead_letter_that_it_had(self):
        world = World()
        world.run(command_record(), STORED, Missing())
        world.run(command_record(headers=REPLAY), failure(503))
        assert acts(world.webhook(tagged())) == [("settled", "command c1")]

    def test_settles_a_command_that_waits_and_frees_its_key(self):
        world = World()
        waits = world.run(command_record(), LOST)
        world.webhook(tagged())
        assert [(result["status"], result["revision"]) for result in world.results] == [("succeeded", 0)]
        decision = world.run(world.returned(waits.outputs[0]))
        assert (decision.verdict, world.ledger.queue("k1")) == (Verdict.KNOWN, None)

    def test_settles_a_command_without_a_key(self):
        world = World()
        world.run(command_record(key=None), STORED, Missing())
        assert world.webhook(tagged()).outputs[0].key is None

    def test_during_an_attempt_leaves_one_result(self):
        world = World()
        waits = world.run(command_record(), LOST)
        call = world.executor.take(world.ledger, world.returned(waits.outputs[0]), START + 5_000)
        world.webhook(tagged())
        assert world.executor.settle(world.ledger, call, FOUND, START + 6_000).verdict == Verdict.KNOWN

    @pytest.mark.parametrize(
        "data",
        [
            tagged(object="charge"), tagged(metadata={}), tagged(metadata=marks("c2")),
            tagged(metadata=None), {}, [], {"object": "customer", "metadata": marks("c1")},
            tagged(metadata=marks("c1", "inst2")), tagged(metadata={"stripeline_command": "c1"}),
        ],
    )  # fmt: skip
    def test_of_anything_else_settles_nothing(self, data):
        world = World()
        world.run(command_record(), STORED, Missing())
        assert world.webhook(data).verdict == Verdict.UNRELATED

    @pytest.mark.parametrize(
        ("named", "of", "verdict"),
        [
            ("acct_1", b"acct_1", Verdict.SETTLED), ("acct_1", b"acct_2", Verdict.UNRELATED),
            ("acct_1", None, Verdict.UNRELATED), (None, b"acct_1", Verdict.UNRELATED), (None, None, Verdict.SETTLED),
        ],
    )  # fmt: skip
    def test_settles_only_a_command_of_its_account(self, named, of, verdict):
        world = World()
        world.run(command_record(command(**({} if named is None else {"account": named}))), STORED, Missing())
        assert world.webhook(tagged(), account=of).verdict == verdict
        assert all(result.get("account") == named for result in world.results)

    def test_of_another_connection_settles_nothing(self):
        world = World()
        world.run(command_record(), STORED, Missing())
        assert world.webhook(tagged(), connection=b"mallory").verdict == Verdict.UNRELATED

    def test_that_is_no_json_settles_nothing(self):
        world = World()
        world.run(command_record(), STORED, Missing())
        record = Record(topic=TOPICS.command, value=b"{", headers=((h.SETTLES, b"c1"), (h.CONNECTION, b"acme")))
        assert world.run(record).verdict == Verdict.UNRELATED

    def test_of_a_command_whose_outcome_is_known_settles_nothing(self):
        for outcome in (FOUND, failure(402), failure(429)):
            world = World()
            world.run(command_record(), outcome)
            assert world.webhook(tagged()).verdict == Verdict.UNRELATED
        assert World().webhook(tagged()).verdict == Verdict.UNRELATED


@pytest.mark.parametrize(("found", "status"), [(FOUND, "succeeded"), (Missing(), "indeterminate")])
def test_a_key_used_with_other_parameters_is_looked_up(found, status):  # case G10
    """An installation that moved to more partitions has another partition in the metadata."""
    world = World()
    used = StripeAnswer(
        status=400, headers={}, body=b'{"error":{"type":"idempotency_error","message":"Keys for idempotent requests"}}'
    )
    call = world.executor.take(world.ledger, command_record(), world.now)
    waits = world.decide(world.executor.answered(world.ledger, call, used, world.now), [])
    assert (waits.verdict, world.results) == (Verdict.RETRIED, [])
    record = world.returned(waits.outputs[0])
    world.now = world.executor.due_ms(record)
    world.run(record, found)
    assert ([result["status"] for result in world.results], world.looks) == ([status], 1)


class TestBroken:
    def test_a_fault_of_ours_is_a_dead_letter_and_the_key_goes_on(self):
        world = World()
        waits = world.run(command_record(), failure(429))
        behind = world.run(command_record(command("c2")))
        decision = world.decide(
            world.executor.broken(world.ledger, world.returned(waits.outputs[0]), KeyError("x")), []
        )
        assert world.dead[0][h.REASON] == b"internal_error"
        assert world.ledger.known("c1") is None
        assert decision.verdict == Verdict.BROKEN
        world.run(world.returned(behind.outputs[0]), FOUND)
        assert world.results[-1]["command_id"] == "c2"

    def test_of_a_record_that_is_no_command(self):
        world = World()
        world.decide(world.executor.broken(world.ledger, command_record(b"{"), KeyError("x")), [])
        assert world.dead[0][h.CODE] == b"INDETERMINATE"


class TestLookup:
    def answer(self, *rows, status=200, **fields):
        return StripeAnswer(
            status=status, headers={}, body=orjson.dumps({"object": "list", "data": list(rows), **fields})
        )

    def test_asks_the_search_for_the_commands_metadata(self):
        request = stripe_lookup.search(CREATE, origin("it's\\x"))
        assert request.path == "/v1/customers/search"
        assert request.params["query"] == (
            "metadata['stripeline_command']:'it\\'s\\\\x' AND metadata['stripeline_installation']:'inst1'"
        )

    def test_finds_the_object_as_the_actions_output(self):
        assert stripe_lookup.read_search(CREATE, origin("c1"), self.answer(tagged(phone="1"))) == FOUND

    @pytest.mark.parametrize(
        "rows",
        [
            [],
            [tagged(metadata=marks("c2"))],
            [tagged(object="x")],
            ["x"],
            [tagged(metadata=marks("c1", "inst2"))],
            [tagged(metadata={"stripeline_command": "c1"})],
        ],
    )
    def test_finds_nothing_else(self, rows):
        assert stripe_lookup.read_search(CREATE, origin("c1"), self.answer(*rows)) == Missing()

    def test_of_two_objects_is_for_a_person(self):
        found = stripe_lookup.read_search(CREATE, origin("c1"), self.answer(tagged(), tagged(id="cus_2")))
        assert isinstance(found, Failed)
        assert "cus_1, cus_2" in found.error["message"]

    @pytest.mark.parametrize("status", [400, 403, 404])
    def test_falls_back_to_a_list_where_search_is_not_offered(self, status):
        answer = self.answer(status=status, error={"type": "invalid_request_error", "message": "not here"})
        assert isinstance(stripe_lookup.read_search(CREATE, origin("c1"), answer), stripe_lookup.NotOffered)

    @pytest.mark.parametrize(
        "answer",
        [
            Fault.LOST,
            StripeAnswer(status=503, headers={}, body=b""),
            StripeAnswer(status=200, headers={}, body=b"[]"),
            StripeAnswer(status=200, headers={}, body=b"{"),
            StripeAnswer(status=201, headers={}, body=orjson.dumps(CUSTOMER)),
        ],
    )
    def test_that_fails_says_so(self, answer):
        for read in (stripe_lookup.read_search, stripe_lookup.read_page):
            found = read(CREATE, "c1", answer)
            assert isinstance(found, Failed)
            assert (found.retryable, found.unknown) == (True, True)

    def test_lists_page_by_page(self):
        other = tagged(id="cus_9", metadata={})
        first = stripe_lookup.page(CREATE, START, None)
        assert first.params == {"created": {"gte": 400}, "limit": 100, "starting_after": None}
        assert stripe_lookup.read_page(
            CREATE, origin("c1"), self.answer(other, has_more=True)
        ) == stripe_lookup.NextPage(after="cus_9", objects=1)
        assert stripe_lookup.read_page(CREATE, origin("c1"), self.answer(other, has_more=False)) == Missing()
        assert stripe_lookup.read_page(CREATE, origin("c1"), self.answer(other, tagged(), has_more=True)) == FOUND
        assert not stripe_lookup.too_many(CREATE, 2_000).retryable


class TestTakenOver:
    """A record that stood there before this task began: a worker may have made its call, and died of it."""

    def world(self, *outcomes):
        world = World()
        world.run(command_record(), *outcomes, again=True)
        return world

    def test_is_looked_up_before_an_indecisive_refusal_ends_it(self):
        world = self.world(failure(403), FOUND)
        assert [(result["status"], result["attempts"]) for result in world.results] == [("succeeded", 1)]
        assert (len(world.attempts), world.looks) == (1, 1)

    def test_ends_with_that_refusal_when_nothing_is_found(self):
        world = self.world(failure(403), Missing())
        assert [result["error"]["code"] for result in world.results] == ["AUTH_EXPIRED"]
        assert world.dead[0][h.REASON] == b"key_refused"
        world = self.world(failure(429), failure(429), failure(429), Missing())
        assert [result["error"]["code"] for result in world.results] == ["RATE_LIMITED"]
        assert world.dead[0][h.REASON] == b"exhausted"

    def test_is_settled_by_a_webhook_meanwhile(self):
        world = self.world(failure(403))
        assert world.webhook(tagged()).verdict == Verdict.SETTLED

    def test_is_in_doubt_when_its_connection_is_gone(self):
        """Told VALIDATION_ERROR, a team would send it again; without a key it can't be looked up."""
        record = command_record(command(connection="gone"))
        world = World()
        world.run(record, again=True)
        assert (world.attempts, world.results[0]["status"]) == ([], "indeterminate")
        assert "no connection 'gone'" in world.results[0]["error"]["message"]
        assert world.dead[0][h.REASON] == b"indeterminate"
        world = World()
        world.run(record)
        assert (world.results[0]["error"]["code"], world.dead) == ("VALIDATION_ERROR", [])

    @pytest.mark.parametrize("failed", [failure(429), LOST, STORED])
    def test_that_waits_outlives_its_connection(self, failed):
        world = World()
        waits = world.run(command_record(), failed)
        world.executor = with_connection(world.executor, exists=False)
        for _ in range(50):
            waits = world.run(world.returned(waits.outputs[0]), now_ms=world.now + HORIZON_MS // 20)
            assert (waits.verdict, world.results, world.dead) == (Verdict.RETRIED, [], [])
        world.executor = with_connection(world.executor, exists=True)
        world.run(world.returned(waits.outputs[0]), FOUND, now_ms=world.now + 10 * AFTER_MS)
        assert [result["status"] for result in world.results] == ["succeeded"]

    def test_removed_during_the_call_ends_what_would_be_sent_again(self, monkeypatch):
        world, refused = World(), Observation.REFUSED_AGAIN
        call = world.executor.take(world.ledger, command_record(), world.now)
        world.executor = with_connection(world.executor, exists=False)
        monkeypatch.setattr(RateGate, "observe", lambda *_, **__: refused)
        world.decide(world.executor.settle(world.ledger, call, failure(401), world.now), [])
        assert (world.results[0]["status"], world.results[0]["attempts"]) == ("failed", 0)
        assert "there is no connection 'acme'" in world.results[0]["error"]["message"]

    def test_is_looked_up_by_a_replay_once_its_connection_is_back(self):
        world = World()
        world.executor = with_connection(world.executor, exists=False)
        world.run(command_record(), again=True)
        world.executor = with_connection(world.executor, exists=True)
        world.run(command_record(headers=REPLAY), FOUND)
        assert (world.attempts, world.looks) == ([], 1)
        assert [(one["status"], one["revision"]) for one in world.results] == [("indeterminate", 0), ("succeeded", 1)]

    def test_that_only_reads_is_refused_all_the_same(self):
        read = {"action": "stripe/retrieve-charge", "input": {"id": "ch_1"}, "connection": "gone"}
        world = World()
        world.run(command_record(command(**read)), again=True)
        assert world.results[0]["error"]["code"] == "VALIDATION_ERROR"

    def test_is_not_looked_up_when_stripe_has_decided(self):
        world = self.world(failure(402))
        assert (world.looks, world.results[0]["status"]) == (0, "failed")
