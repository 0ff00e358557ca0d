"""A look-up step by step: what it asks next, and where it ends."""

import json

import orjson
import pytest

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.stripe_metadata import Origin
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.actions import actions
from stripeline.workers.executor import stripe_lookup
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.rate_gate import Pass, RateGate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Failed, NoKey, StripeAnswer, Succeeded
from stripeline.workers.executor.stripe_lookup import LookUp, Missing, NextRequest
from stripeline.workers.stripe.api import MAX_BODY_BYTES
from tests.support.records import INSTALLATION, any_owner, command_record, installation

START, NOW, DEADLINE_MS = 1_000_000, 2_000_000, 30_000
CREATE = actions()["stripe/create-customer"]
CUSTOMER = {"id": "cus_1", "object": "customer", "email": None, "name": None, "created": 1}
OURS = {**CUSTOMER, "metadata": {"stripeline_installation": "inst1", "stripeline_command": "c1"}}
ORIGIN = Origin(installation=INSTALLATION, command_id="c1")
NOT_OFFERED = StripeAnswer(status=403, headers={}, body=b'{"error":{"type":"api_error"}}')
REFUSED_KEY = StripeAnswer(status=401, headers={}, body=b'{"error":{"type":"api_error"}}')


def listed(*rows, more=False):
    return StripeAnswer(
        status=200, headers={}, body=orjson.dumps({"object": "list", "data": list(rows), "has_more": more})
    )


def advance(look_up, answer, now_ms=NOW):
    return stripe_lookup.advance(
        look_up, CREATE, ORIGIN, answer, first_appended_ms=START, now_ms=now_ms, call_timeout_ms=DEADLINE_MS
    )


def pages(count, rows=1):
    """A look-up that has asked for so many pages, the last of which says that there are more."""
    asked = advance(LookUp(), NOT_OFFERED)
    for _ in range(count - 1):
        asked = advance(asked.look_up, others(rows))
    return asked


def others(count=1):
    """A page of objects of others, with more behind it."""
    return listed(*({"id": f"cus_{10 - number}"} for number in range(count, 0, -1)), more=True)


def test_begins_with_the_search():
    first = stripe_lookup.begin(CREATE, ORIGIN)
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
    assert asked.look_up == LookUp(pages=2, until_ms=NOW + 2 * DEADLINE_MS, after="cus_9", objects=1)
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
    assert end == stripe_lookup.too_many(CREATE, stripe_lookup.MAX_PAGES)


def test_lists_so_many_objects_and_no_more():
    last = pages(stripe_lookup.MAX_OBJECTS // 100, rows=100)
    assert isinstance(last, NextRequest)
    end = advance(last.look_up, others(100))
    assert end == stripe_lookup.too_many(CREATE, stripe_lookup.MAX_OBJECTS)
    assert "more than 2000 objects" in end.error["message"]


def test_a_page_too_large_to_read_is_asked_for_in_parts():
    asked = pages(2)
    for size in (20, 2):
        asked = advance(asked.look_up, Fault.UNREADABLE)
        assert asked.request == stripe_lookup.page(CREATE, START, "cus_9", size)
    asked = advance(asked.look_up, others(2))
    assert (asked.request.params["limit"], asked.request.params["starting_after"]) == (2, "cus_9")
    assert isinstance(advance(asked.look_up, Fault.UNREADABLE), Failed)


@pytest.mark.parametrize("action", [action for action in actions().values() if action.method == "POST"])
def test_the_smallest_page_of_the_largest_objects_fits(action):
    key, value = "\U0001f4b6" * 40, "\U0001f4b6" * 500
    largest = {"metadata": {f"{key}{number}"[-40:]: value for number in range(50)}, "rest": "x" * 64_000}
    page = json.dumps({"object": "list", "data": [largest] * stripe_lookup.PAGE_SIZES[-1], "has_more": True})
    assert stripe_lookup.search(action, ORIGIN).params["limit"] == stripe_lookup.PAGE_SIZES[-1]
    assert len(page) < MAX_BODY_BYTES


@pytest.mark.parametrize(
    "stub", [{"id": "cus_1", "object": "customer", "deleted": True}, {"id": "cus_1", "deleted": True}]
)
def test_a_deleted_object_is_not_missing(stub):
    end = advance(LookUp(), listed(stub))
    assert (end.retryable, "cus_1, which was deleted: the command was done" in end.error["message"]) == (False, True)


def test_a_deleted_object_beside_ours_changes_nothing():
    assert advance(LookUp(), listed({"id": "cus_0", "deleted": True}, OURS)) == Succeeded(output=CUSTOMER)


@pytest.mark.parametrize("look_up", [LookUp(), LookUp(pages=1, until_ms=NOW + 1)])
def test_one_row_twice_is_one_object(look_up):
    assert advance(look_up, listed(OURS, OURS)) == Succeeded(output=CUSTOMER)


@pytest.mark.parametrize("rows", [[], [{"object": "customer"}]])
def test_a_page_with_more_behind_it_is_never_the_last(rows):
    assert advance(pages(1).look_up, listed(*rows, more=True)).retryable


def test_a_hop_that_answers_404_is_not_an_account_without_search():
    assert isinstance(advance(LookUp(), StripeAnswer(status=404, headers={}, body=b"<html>")), Failed)


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
        setup = Setup(
            topics=topics,
            installation=installation,
            actions=actions(),
            owner=any_owner,
            call_timeout_ms=DEADLINE_MS,
        )
        gate = RateGate(limits=self.limits, share=lambda: 1.0, key=lambda _: self.key, refused=lambda *_: None)
        self.executor, self.ledger = Executor(setup=setup, gate=gate), Ledger()
        self.now_ms = START + 25 * 3_600_000

    def limits(self, _):
        self.asked += 1
        return Rate(account=1, endpoint=None)

    def search(self):
        call = self.executor.take(self.ledger, command_record(), self.now_ms, maybe_attempted=True)
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


@pytest.mark.parametrize("now_ms", [START, START + 25 * 3_600_000])
def test_without_a_key_a_command_waits_as_it_was(now_ms):
    world = World()
    world.now_ms = now_ms
    call = world.search()
    decision = world.answered(call, NoKey(connection="acme"))
    headers = dict(decision.outputs[0].headers)
    assert (decision.verdict, headers["stripeline-attempt"]) == ("retried", b"0")
    assert headers["stripeline-last-error"] == b"waits for its connection's key"
    waiting = decision.changes[0].record
    assert (waiting.tried_ms, waiting.tried, waiting.suspect) == (START, None, True)


def test_its_answer_settles_the_command():
    world = World()
    page = world.answered(world.search(), NOT_OFFERED)
    decision = world.answered(page, listed(OURS))
    assert decision.verdict == "succeeded"
