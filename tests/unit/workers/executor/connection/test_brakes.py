"""The brake of a connection: what counts, what waits, and how far processes together can go."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.internal_records import encode, read
from stripeline.contracts.limits import HOUR_MS, HourlyLimits
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.operator.spending import Spending, SpentMinute, TaskSpending
from stripeline.contracts.vocabulary import Fault, Verdict
from stripeline.workers.actions import actions
from stripeline.workers.brakes.peers import Peers
from stripeline.workers.brakes.rolling_hour import MINUTE_MS, Cost
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.brakes import NOTICE_EVERY_MS, Brakes
from stripeline.workers.executor.connection.rate_gate import RateGate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger, spend
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import NoKey, StripeAnswer
from stripeline.workers.task.decision import Decision
from tests.support.in_memory_executor import TOPICS
from tests.support.records import appended, command, command_record, installation, owner_of_acme

NOW = 1_800_000_000_000
MADE = StripeAnswer(
    status=200, headers={}, body=b'{"id":"cus_1","object":"customer","email":null,"name":null,"created":1}'
)
BUSY = StripeAnswer(status=500, headers={}, body=b'{"error":{"type":"api_error","message":"no"}}')
DECLINED = StripeAnswer(status=402, headers={}, body=b'{"error":{"type":"card_error","message":"declined"}}')
REFUSED = StripeAnswer(status=401, headers={}, body=b'{"error":{"type":"invalid_request_error","message":"key"}}')


class World:
    """One executor task in memory. paused: as the control topic has it."""

    def __init__(self, limits: HourlyLimits | None, **fields: object) -> None:
        self.paused_ms: int | None = None
        self.released_ms = 0
        self.ledger, self.now_ms = Ledger(), NOW
        gate = RateGate(
            limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: "k1", refused=lambda *_: None,
            paused=lambda _: self.paused_ms,
        )  # fmt: skip
        self.brakes = Brakes(limits=lambda _: limits, released=lambda _: self.released_ms, **fields)  # type: ignore[arg-type]
        setup = Setup(topics=TOPICS, installation=installation, actions=actions(), owner=owner_of_acme)
        self.executor = Executor(setup=setup, gate=gate, brakes=self.brakes)
        self.notices: list[Pause] = []

    def take(self, record: object) -> Decision | Call:
        return self._applied(self.executor.take(self.ledger, record, self.now_ms))  # type: ignore[arg-type]

    def answer(self, call: Decision | Call, reply: object = MADE) -> Decision:
        assert isinstance(call, Call), call
        decided = self._applied(self.executor.answered(self.ledger, call, reply, self.now_ms))  # type: ignore[arg-type]
        assert isinstance(decided, Decision)
        return decided

    def _applied(self, decided: Decision | Call) -> Decision | Call:
        if isinstance(decided, Decision):
            for change in decided.changes:
                self.ledger.restore(change.key, change.record and encode(change.record))
            told = [one for one in decided.notices if one.key != b"state/acme"]  # of a refused key
            assert all((one.topic, one.key) == (TOPICS.control, b"pause/connection/acme") for one in told)
            self.notices += [read(Pause, one.value or b"") for one in told]
        return decided

    def restarted(self) -> None:
        """The next owner of the partition: what the changelog has, and no more."""
        former, self.ledger = self.ledger, Ledger()
        for name, spent in former.spenders().items():
            self.ledger.restore(f"spent/{name}", encode(spent))

    def spent(self) -> int:
        (found, *_) = self.brakes.status(["acme"], self.now_ms)
        return found.spent


def customer(number: int, **fields: object) -> object:
    return command_record(command(f"c{number}"), key=None, offset=number, timestamp=NOW, **fields)


def payment(number: int, amount: int, currency: str = "eur") -> object:
    value = command(
        f"p{number}", action="stripe/create-payment-intent", input={"amount": amount, "currency": currency}
    )  # fmt: skip
    return command_record(value, key=None, offset=number)


def effects(most: int, **fields: object) -> World:
    world = World(HourlyLimits(effects_per_hour=most), **fields)
    world.brakes.ledgers = lambda: {0: world.ledger}
    return world


def test_the_command_beyond_the_limit_waits_and_pauses() -> None:
    world = effects(2)
    for number in range(2):
        assert world.answer(world.take(customer(number))).verdict is Verdict.SUCCEEDED
    held = world.take(customer(2))
    assert isinstance(held, Decision)
    assert held.verdict is Verdict.RETRIED
    assert [output.topic for output in held.outputs] == [TOPICS.retry(TOPICS.tiers[0])]
    assert dict(held.outputs[0].headers)["stripeline-attempt"] == b"0"
    (pause,) = world.notices
    assert (pause.by, pause.at_ms) == ("stripeline", NOW)
    assert pause.why.startswith("2 effects an hour: the limit of connection acme; ")
    assert "`stripeline resume connection acme`" in pause.why


def test_calls_under_way_count_before_they_end() -> None:
    world = effects(2)
    calls = [world.take(customer(number)) for number in range(3)]
    assert [isinstance(call, Call) for call in calls] == [True, True, False]


def test_the_pause_is_told_once_until_it_is_known() -> None:
    world = effects(1)
    world.answer(world.take(customer(0)))
    for number in range(1, 5):
        world.take(customer(number))
    assert len(world.notices) == 1
    world.now_ms += NOTICE_EVERY_MS
    world.take(customer(5))
    assert (len(world.notices), world.brakes.trips) == (2, {"acme": 2})
    world.paused_ms = world.now_ms
    world.now_ms += NOTICE_EVERY_MS
    world.take(customer(6))
    assert len(world.notices) == 2


def test_a_retry_is_the_same_effect() -> None:
    world = effects(2)
    record = customer(0)
    for _ in range(3):
        decided = world.answer(world.take(record), BUSY)
        record = appended(decided.outputs[0])
        world.now_ms += 3_600
    assert world.spent() == 1
    world.answer(world.take(record))
    assert world.spent() == 1


@pytest.mark.parametrize(("reply", "counts"), [
    (MADE, 1), (BUSY, 1), (DECLINED, 1), (Fault.LOST, 1), (Fault.REFUSED, 1), (NoKey(connection="acme"), 0),
])  # fmt: skip
def test_an_attempt_counts_whatever_comes_of_it(reply: object, counts: int) -> None:
    world = effects(5)
    world.answer(world.take(customer(0)), reply)
    assert (world.spent(), world.ledger.reserved) == (counts, {})


def test_a_refusal_of_the_key_that_is_known_counts_once() -> None:
    world = effects(5)
    first, second = world.take(customer(0)), world.take(customer(1))
    world.answer(first, REFUSED)
    decided = world.answer(second, REFUSED)  # waits with the others, and is not attempted as far as anybody knows
    assert decided.verdict is Verdict.RETRIED
    assert world.ledger.reserved == {}
    assert world.spent() == 1


def test_a_get_is_no_effect_and_is_not_held() -> None:
    world = effects(1)
    world.answer(world.take(customer(0)))
    get = command_record(command("g1", action="stripe/retrieve-charge", input={"id": "ch_1"}), key=None)
    assert isinstance(world.take(get), Call)


def test_amounts_count_by_currency() -> None:
    world = World(HourlyLimits(amount={"eur": 1_000}))
    for number, (amount, currency, passes) in enumerate([
        (600, "EUR", True), (9_999, "usd", True), (401, "eur", False), (400, "eur", True), (1, "eur", False),
    ]):  # fmt: skip
        assert isinstance(world.take(payment(number, amount, currency)), Call) is passes, number
    assert world.notices[0].why.startswith("1000 eur an hour, in its smallest unit: the limit of connection acme")


def test_a_command_above_the_whole_limit_says_what_to_do() -> None:
    world = World(HourlyLimits(amount={"eur": 1_000}))
    assert isinstance(world.take(payment(7, 1_001)), Decision)
    (pause,) = world.notices
    assert "command p7 asks for 1001 eur, more than the whole limit of connection acme" in pause.why
    assert "Raise limits.amount.eur with `stripeline apply`, or cancel its run; then resume" in pause.why


def test_the_count_begins_again_at_the_release() -> None:
    world = effects(2)
    for number in range(2):
        world.answer(world.take(customer(number)))
    assert isinstance(world.take(customer(2)), Decision)
    world.now_ms += 5_000
    world.released_ms = world.now_ms
    assert isinstance(world.take(customer(3)), Call)
    assert isinstance(world.take(customer(4)), Call)
    assert isinstance(world.take(customer(5)), Decision)
    assert len(world.notices) == 2


def test_the_next_owner_of_a_partition_has_no_new_allowance() -> None:
    world = effects(2)
    for number in range(2):
        world.answer(world.take(customer(number)))
    world.restarted()
    assert isinstance(world.take(customer(2)), Decision)
    world.now_ms += HOUR_MS + MINUTE_MS
    assert isinstance(world.take(customer(3)), Call)


def test_a_command_that_a_dead_worker_may_have_sent_counts() -> None:
    world = effects(1)
    world.take(customer(0))  # under way, and never committed
    world.restarted()
    call = world.executor.take(world.ledger, customer(0), world.now_ms, maybe_attempted=True)  # type: ignore[arg-type]
    world.answer(call)
    assert world.spent() == 1
    assert isinstance(world.take(customer(1)), Decision)


def test_a_record_that_raises_keeps_what_was_spent() -> None:
    world = effects(5)
    record = customer(0)
    world.take(record)
    broken = world.executor.broken(world.ledger, record, RuntimeError())  # type: ignore[arg-type]
    world._applied(broken)
    assert (world.spent(), world.ledger.reserved) == (1, {})


def test_without_limits_nothing_is_kept() -> None:
    world = World(None)
    world.answer(world.take(customer(0)))
    assert (dict(world.ledger.spenders()), list(world.brakes.status(["acme"], NOW))) == ({}, [])


def test_it_waits_until_it_knows_what_the_others_spent() -> None:
    world = effects(5, peers=Peers(), partitions=2)
    held = world.take(customer(0))
    assert isinstance(held, Decision)
    assert b"what the others have spent" in dict(held.outputs[0].headers)["stripeline-last-error"]
    assert world.notices == []
    assert world.brakes.peers is not None
    world.brakes.peers.heard(world.now_ms)
    world.brakes.peers.learn([TaskSpending(kind="connection", partition=1)], world.now_ms)
    assert isinstance(world.take(customer(1)), Call)


def test_what_the_others_reported_counts() -> None:
    world = effects(3, peers=Peers(), partitions=2)
    assert world.brakes.peers is not None
    world.brakes.peers.heard(world.now_ms)
    minutes = (SpentMinute(since_ms=NOW - NOW % MINUTE_MS, count=2),)
    names = {"acme": Spending(minutes=minutes)}
    world.brakes.peers.learn([TaskSpending(kind="connection", partition=1, names=names)], world.now_ms)
    world.answer(world.take(customer(0)))
    assert world.spent() == 3
    assert isinstance(world.take(customer(1)), Decision)


def test_the_status_has_every_limit() -> None:
    world = World(HourlyLimits(effects_per_hour=3, amount={"eur": 1_000, "usd": 5}))
    world.brakes.ledgers = lambda: {0: world.ledger}
    world.answer(world.take(payment(0, 600)), DECLINED)
    assert [(one.what, one.spent, one.limit) for one in world.brakes.status(["acme"], NOW)] == [
        ("effects", 1, 3), ("eur", 600, 1_000), ("usd", 0, 5),
    ]  # fmt: skip


def test_spending_is_forgotten_when_its_hour_is_over() -> None:
    world = effects(2)
    world.answer(world.take(customer(0)))
    assert [change.key for change in world.ledger.expired(NOW)] == []
    (change,) = world.ledger.expired(NOW + HOUR_MS + MINUTE_MS)
    assert (change.key, change.record) == ("spent/acme", None)
    world.ledger.apply(change.key, change.record)
    assert dict(world.ledger.spenders()) == {}


def test_ten_thousand_commands_stop_at_the_limit_in_order() -> None:
    world = effects(1_000)
    made: list[str] = []
    for number in range(10_000):
        decided = world.take(command_record(command(f"c{number}"), key=b"k%d" % (number % 7), offset=number))
        if isinstance(decided, Call):
            made.append(decided.command.command_id)
            world.answer(decided)
        if world.notices:
            world.paused_ms = world.paused_ms or world.now_ms
    assert made == [f"c{number}" for number in range(1_000)]
    assert len(world.notices) == 1
    waiting = sum(world.ledger.known(f"c{number}").status == "waiting" for number in range(1_000, 10_000))  # type: ignore[union-attr]
    assert waiting == 9_000


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("effect"), st.integers(0, 3), st.integers(1, 60)),
        st.tuples(st.just("report"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("move"), st.integers(0, 3), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.integers(1, 1_200_000), st.just(0)),
    ),
    max_size=80,
)


@given(STEPS)
def test_it_is_exceeded_by_what_others_began_since_their_report(steps: list[tuple[str, int, int]]) -> None:
    """Two processes, four partitions, one limit of money; a partition moves with what its changelog has."""
    limit, now_ms = 100, NOW
    owner = {0: 0, 1: 0, 2: 1, 3: 1}
    ledgers = {number: Ledger() for number in owner}
    spent: list[tuple[int, int, int]] = []  # when, by which process, how much
    reported_at = [0, 0]
    views: list[Peers] = [Peers(), Peers()]
    brakes = [
        Brakes(
            limits=lambda _: HourlyLimits(amount={"eur": limit}), peers=views[who], partitions=4,
            ledgers=lambda who=who: {number: ledgers[number] for number in owner if owner[number] == who},
        )
        for who in (0, 1)
    ]  # fmt: skip

    def report(who: int) -> None:
        mine = [
            TaskSpending(kind="connection", partition=n, names=ledgers[n].spenders()) for n in owner if owner[n] == who
        ]
        for view in views:
            view.learn(mine, now_ms)
        reported_at[who] = len(spent)

    report(0), report(1)
    for what, first, second in steps:
        for view in views:
            view.heard(now_ms)
        match what:
            case "effect":
                who, number = owner[first], len(spent)
                cost = Cost("eur", second)
                if brakes[who].ask("acme", f"c{number}", cost, ledgers[first], first, now_ms) is None:
                    reserved = ledgers[first].reserved.pop(f"c{number}")
                    change = spend(ledgers[first], reserved, 0)
                    ledgers[first].apply(change.key, change.record)
                    spent.append((now_ms, who, second))
                    other = 1 - who
                    unknown = sum(amount for at, by, amount in spent[reported_at[other] :] if by == other)
                    within = sum(amount for at, _, amount in spent if at > now_ms - HOUR_MS)
                    assert within <= limit + unknown
            case "report":
                report(first)
            case "move":
                report(owner[first])
                owner[first] = second
                report(second)
            case "wait":
                now_ms += first


def test_held_commands_keep_their_key_order() -> None:
    world = effects(1)
    world.answer(world.take(command_record(command("c0"), key=b"k1")))
    first = world.take(command_record(command("c1"), key=b"k1", offset=1))
    second = world.take(command_record(command("c2"), key=b"k1", offset=2))
    assert [orjson.loads(one.outputs[0].value)["command_id"] for one in (first, second)] == ["c1", "c2"]  # type: ignore[union-attr]
    world.released_ms = world.now_ms = NOW + 60_000
    assert isinstance(second, Decision)
    assert isinstance(first, Decision)
    back = world.take(appended(second.outputs[0]))
    assert isinstance(back, Decision)
    assert back.verdict is Verdict.HELD
    world.answer(world.take(appended(first.outputs[0])))


def test_a_connection_without_limits_counts_nothing() -> None:
    ledger = Ledger()
    assert Brakes().ask("acme", "c1", Cost(), ledger, 0, NOW) is None
    assert ledger.reserved == {}


def test_only_other_calls_of_the_same_connection_count() -> None:
    brakes, ledger = Brakes(limits=lambda _: HourlyLimits(effects_per_hour=1)), Ledger()
    for connection, command_id, passes in [
        ("acme", "c1", True), ("acme", "c1", True), ("other", "c2", True), ("acme", "c3", False),
    ]:  # fmt: skip
        assert (brakes.ask(connection, command_id, Cost(), ledger, 0, NOW) is None) is passes, command_id
