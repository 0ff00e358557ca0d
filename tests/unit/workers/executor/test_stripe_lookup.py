"""A look-up step by step: what it asks next, and where it ends."""

import orjson
import pytest

from stripeline.contracts.definitions import Rate
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.actions import actions
from stripeline.workers.executor import stripe_lookup
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.rate_gate import Pass, RateGate
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Failed, NoKey, StripeAnswer, Succeeded
from stripeline.workers.executor.stripe_lookup import LookUp, Missing, NextRequest
from tests.support.records import command_record

START, NOW, DEADLINE_MS = 1_000_000, 2_000_000, 30_000
CREATE = actions()["stripe/create-customer"]
CUSTOMER = {"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1}
OURS = {**CUSTOMER, "metadata": {"stripeline_command": "c1"}}
NOT_OFFERED = StripeAnswer(status=403, headers={}, body=b'{"error":{}}')
REFUSED_KEY = StripeAnswer(status=401, headers={}, body=b'{"error":{}}')


def listed(*rows, more=False):
    return StripeAnswer(status=200, headers={}, body=orjson.dumps({"data": list(rows), "has_more": more}))


def advance(look_up, answer, now_ms=NOW):
    return stripe_lookup.advance(
        look_up, CREATE, "c1", answer, first_appended_ms=START, now_ms=now_ms, call_timeout_ms=DEADLINE_MS
    )


def pages(count):
    """A look-up that has asked for so many pages, the last of which says that there are more."""
    asked = advance(LookUp(), NOT_OFFERED)
    for _ in range(count - 1):
        asked = advance(asked.look_up, listed({"id": "cus_9"}, more=True))
    return asked


def test_begins_with_the_search():
    first = stripe_lookup.begin(CREATE, "c1")
    assert (first.request.path, first.look_up, first.timeout_ms) == ("/v1/customers/search", LookUp(), None)


@pytest.mark.parametrize(("answer", "end"), [(listed(OURS), Succeeded(output=CUSTOMER)), (listed(), Missing())])
def test_ends_with_what_the_search_says(answer, end):
    assert advance(LookUp(), answer) == end


def test_asks_for_the_list_where_the_search_is_not_offered():
    asked = advance(LookUp(), NOT_OFFERED)
    assert asked.request == stripe_lookup.page(CREATE, START, None)
    assert asked.look_up == LookUp(pages=1, until_ms=NOW + 2 * DEADLINE_MS)
    assert asked.timeout_ms == 2 * DEADLINE_MS


def test_asks_for_the_page_behind_the_last_id():
    asked = advance(pages(1).look_up, listed({"id": "cus_9"}, more=True), NOW + 5_000)
    assert asked.request == stripe_lookup.page(CREATE, START, "cus_9")
    assert asked.look_up == LookUp(pages=2, until_ms=NOW + 2 * DEADLINE_MS)
    assert asked.timeout_ms == 2 * DEADLINE_MS - 5_000


@pytest.mark.parametrize(("answer", "end"), [(listed(OURS, more=True), Succeeded), (listed(), Missing)])
def test_ends_with_what_a_page_says(answer, end):
    assert isinstance(advance(pages(3).look_up, answer), end)


@pytest.mark.parametrize("answer", [Fault.LOST, REFUSED_KEY, StripeAnswer(status=503, headers={}, body=b"")])
def test_a_request_that_fails_is_the_end(answer):
    for look_up in (LookUp(), pages(2).look_up):
        assert isinstance(advance(look_up, answer), Failed)


def test_asks_for_so_many_pages_and_no_more():
    last = pages(stripe_lookup.MAX_PAGES)
    assert isinstance(last, NextRequest)
    end = advance(last.look_up, listed({"id": "cus_9"}, more=True))
    assert end == stripe_lookup.too_many(CREATE)


def test_when_its_time_is_over_nothing_is_known():
    look_up = pages(2).look_up
    assert isinstance(advance(look_up, listed({"id": "cus_9"}, more=True), look_up.until_ms - 1), NextRequest)
    end = advance(look_up, listed({"id": "cus_9"}, more=True), look_up.until_ms)
    assert (end.retryable, end.unknown, end.error["code"]) == (True, True, "PROVIDER_ERROR")
    assert advance(look_up, listed(OURS), look_up.until_ms) == Succeeded(output=CUSTOMER)


class World:
    """An executor with a command that is looked up, since its horizon has passed."""

    def __init__(self):
        self.key, self.asked = "k1", 0
        topics = Topics(tiers=parse_tiers("5s"))
        setup = Setup(topics=topics, actions=actions(), has_connection=lambda _: True, call_timeout_ms=DEADLINE_MS)
        gate = RateGate(limits=self.limits, share=lambda: 1.0, key=lambda _: self.key, refused=lambda _: None)
        self.executor, self.ledger = Executor(setup=setup, gate=gate), Ledger()
        self.now_ms = START + 25 * 3_600_000

    def limits(self, _):
        self.asked += 1
        return Rate(account=1, endpoint=None)

    def search(self):
        call = self.executor.take(self.ledger, command_record(), self.now_ms)
        assert isinstance(call, Call)
        return call

    def answered(self, call, reply):
        return self.executor.answered(self.ledger, call, reply, self.now_ms)


def test_its_pages_take_no_turn_at_the_rate_gate():
    world = World()
    search = world.search()
    asked = world.asked
    page = world.answered(search, NOT_OFFERED)
    page = world.answered(page, listed({"id": "cus_9"}, more=True))
    assert (world.asked, page.look_up.pages) == (asked, 2)
    assert page.permit == Pass(delay_ms=0, key="k1")
    assert (page.idempotency_key, page.timeout_ms) == (None, 2 * DEADLINE_MS)


def test_a_refusal_that_is_known_begins_it_again_with_the_search():
    world = World()
    page = world.answered(world.search(), NOT_OFFERED)
    world.key = "k2"
    world.now_ms += 60_000
    again = world.answered(page, REFUSED_KEY)
    assert isinstance(again, Call)
    assert (again.request.path, again.look_up, again.permit.key) == ("/v1/customers/search", LookUp(), "k2")


def test_without_a_key_it_can_not_be_made():
    world = World()
    decision = world.answered(world.search(), NoKey(connection="acme"))
    assert decision.verdict == "indeterminate"
    assert "the key of connection 'acme' can't be opened" in orjson.loads(decision.outputs[0].value)["error"]["message"]


def test_a_key_that_can_not_be_opened_fails_the_attempt():
    world = World()
    world.now_ms = START
    decision = world.answered(world.search(), NoKey(connection="acme"))
    error = orjson.loads(decision.outputs[0].value)["error"]
    assert (decision.verdict, error["code"], error["retryable"]) == ("failed", "AUTH_EXPIRED", False)
    assert error["message"] == "stripe/create-customer: the key of connection 'acme' can't be opened"


def test_its_answer_settles_the_command():
    world = World()
    page = world.answered(world.search(), NOT_OFFERED)
    decision = world.answered(page, listed(OURS))
    assert decision.verdict == "succeeded"
