"""A window is listed account by account, in slices that fit into memory, at the pace and by the answers of Stripe."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from pydantic import SecretStr

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.deliveries.delivery_vocabulary import SweepTrouble
from stripeline.contracts.families import families
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.stripe_side.sweeps import window_sweep
from stripeline.deploy.stripe_side.sweeps.event_comparison import Lacking, Pair
from stripeline.deploy.stripe_side.sweeps.list_answer import SweepError
from stripeline.deploy.stripe_side.sweeps.plan_sweep import PlanSweep
from stripeline.deploy.stripe_side.sweeps.slice_room import SliceRoom
from stripeline.deploy.stripe_side.sweeps.stripe_lists import StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweepPlan, SweptTrigger
from stripeline.workers.executor.stripe_answer import StripeAnswer

TYPE, SHOP = "payment_intent.succeeded", "acct_1Shop"
PAY = SweptTrigger("pay", families()["stripe/payment-event"], "snapshot", (TYPE,), livemode=True)
Answer = StripeAnswer | Fault


class Seen:
    """Notes of nothing but these."""

    def __init__(self, *ids: str) -> None:
        self.ids, self.asked = ids, list[int]()

    async def strike(self, missing: dict[Pair, Lacking], from_ms: int) -> None:
        self.asked.append(from_ms)
        for event_id in self.ids:
            missing.pop((event_id, "pay"), None)


def answer(status: int, body: Any, **headers: str) -> StripeAnswer:
    return StripeAnswer(status=status, headers=headers, body=orjson.dumps(body))


def refusal(status: int, **error: str) -> StripeAnswer:
    return answer(status, {"error": {"type": "invalid_request_error", "message": "no", **error}})


class Stripe:
    """A list of each account's events, `created` by id; `first` are the answers before the list's own."""

    def __init__(self, events: Mapping[str | None, Mapping[str, int]], *first: Answer) -> None:
        self.events, self.first, self.asked = events, list(first), list[tuple[str, str | None]]()
        self.accounts: list[dict[str, Any]] = []

    async def read(self, path: str, _: SecretStr, account: str | None) -> Answer:
        self.asked.append((path, account))
        if self.first:
            return self.first.pop(0)
        asked = dict(parse_qsl(urlsplit(path).query))
        if path.startswith("/v1/accounts"):
            return answer(200, {"data": self.accounts, "has_more": False})
        first_s, last_s, size = (int(asked[name]) for name in ("created[gte]", "created[lte]", "limit"))
        if account not in self.events:
            return refusal(403, code="account_invalid")
        found = [one for one in self.events[account].items() if first_s <= one[1] <= last_s]
        found.sort(key=lambda one: one[1], reverse=True)
        if "starting_after" in asked:
            found = found[[name for name, _ in found].index(asked["starting_after"]) + 1 :]
        return answer(200, {"data": [_event(*one) for one in found[:size]], "has_more": len(found) > size})


def _event(name: str, created_s: int) -> dict[str, Any]:
    data = {"object": {"id": f"pi_{name}", "object": "payment_intent"}}
    return {"id": name, "object": "event", "type": TYPE, "created": created_s, "livemode": True, "data": data}


def sweep(
    stripe: Stripe, *, own: bool = True, seen: Seen | None = None, since_s: int = 0, room: SliceRoom | None = None
) -> PlanSweep:
    triggers = (PAY,) if own else (PAY._replace(connected=True),)
    plan = SweepPlan("acme", None, "live", triggers if own else (), () if own else triggers)
    lists = StripeLists(stripe.read, SweepPace(lambda _: Rate()), lambda: 1_000_000)
    return PlanSweep(
        lists=lists, strike=(seen or Seen()).strike, room=room or SliceRoom(1 << 30), now_ms=lambda: 1_000_000,
        plan=plan, key=SecretStr("rk_live_1"), since=lambda one: dict.fromkeys(one.types, since_s),
    )  # fmt: skip


async def found(one: PlanSweep, first_s: int = 0, last_s: int = 900) -> list[str]:
    return [missed.lacking.event.id async for each in one.slices(first_s, last_s) for missed in each.missed]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripeline.deploy.stripe_side.sweeps.stripe_lists._WAITS_S", (0.0, 0.0, 0.0))


async def test_what_has_no_note_is_missing_the_oldest_first():
    stripe = Stripe({None: {"evt_b": 10, "evt_a": 30, "evt_c": 20}})
    assert await found(sweep(stripe, seen=Seen("evt_c"))) == ["evt_b", "evt_a"]


async def test_each_connected_account_is_asked_by_itself():
    stripe = Stripe({None: {"evt_own": 10}, SHOP: {"evt_old": 10, "evt_new": 60}, "acct_2": {"evt_2": 70}})
    stripe.accounts = [{"id": SHOP, "created": 50}, {"id": "acct_gone", "created": 0}, {"id": "acct_2", "created": 0}]
    missed = [one async for each in sweep(stripe, own=False).slices(0, 900) for one in each.missed]
    assert [(one.lacking.event.id, one.lacking.event.account) for one in missed] == [
        ("evt_new", SHOP),
        ("evt_2", "acct_2"),
    ]
    assert orjson.loads(missed[0].publication.value)["account"] == SHOP
    assert {account for path, account in stripe.asked if "/events" in path} == {SHOP, "acct_gone", "acct_2"}


async def test_slices_are_cut_to_fit_and_come_in_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(window_sweep, "MAX_EVENTS", 50)
    events = {f"evt_{number * 7919 % 1000:03d}": number for number in range(900)}
    one = sweep(Stripe({None: events}))
    slices = [each async for each in one.slices(0, 900)]
    assert max(each.listed for each in slices) <= 50
    names = [missed.lacking.event.id for each in slices for missed in each.missed]
    assert names == list(events)
    assert slices[-1].upto_s == 901


async def test_a_second_with_too_many_events_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(window_sweep, "MAX_EVENTS", 5)
    assert len(await found(sweep(Stripe({None: {f"evt_{number}": 10 for number in range(50)}})))) == 50
    with pytest.raises(SweepError, match="one second"):
        await found(sweep(Stripe({None: {f"evt_{number}": 10 for number in range(51)}})))


async def test_a_slice_without_room_is_listed_again_when_it_has_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(window_sweep, "FIRST_BYTES", 100)
    monkeypatch.setattr(window_sweep, "MAX_BYTES", 50_000)
    stripe, room = Stripe({None: {f"evt_{number}": number for number in range(200)}}), SliceRoom(50_000)
    async with room.place(49_900):
        waits = asyncio.create_task(found(sweep(stripe, room=room)))
        while not room.waiting:  # noqa: ASYNC110  (nobody says when)
            await asyncio.sleep(0)
        assert len(stripe.asked) == 1
    assert len(await waits) == 200
    assert len(stripe.asked) == 1 + 2
    assert room._free == room.size


async def test_a_slice_holds_what_its_events_have_until_it_is_done(monkeypatch: pytest.MonkeyPatch):
    room = SliceRoom(1 << 30)
    async for each in sweep(Stripe({None: {"evt_a": 10}}), room=room).slices(0, 900):
        assert room.size - room._free == len(each.missed[0].lacking.event.body)
    assert room._free == room.size


async def test_nothing_is_asked_of_a_time_before_the_trigger():
    stripe, seen = Stripe({None: {"evt_a": 10, "evt_b": 600}}), Seen()
    assert await found(sweep(stripe, seen=seen, since_s=500)) == ["evt_b"]
    assert seen.asked == [500_000]
    assert await found(sweep(stripe, since_s=901)) == []


@pytest.mark.parametrize(
    "first",
    [Fault.LOST, Fault.REFUSED, refusal(500), refusal(429), answer(502, {"message": "a proxy's"}), Fault.UNREADABLE],
)
async def test_an_answer_that_says_nothing_is_asked_for_again(first: Answer):
    assert await found(sweep(Stripe({None: {"evt_a": 10}}, first))) == ["evt_a"]


@pytest.mark.parametrize(
    ("answers", "trouble", "words"),
    [
        ([refusal(403, code="x")], SweepTrouble.NOT_ALLOWED, "key of connection acme may not list events"),
        ([refusal(401)], SweepTrouble.NOT_ALLOWED, "refuses the key"),
        ([refusal(400)], SweepTrouble.NO_ANSWER, r"\(400\): no"),
        ([Fault.LOST] * 4, SweepTrouble.NO_ANSWER, "did not answer"),
        ([answer(200, {"data": 1})], SweepTrouble.NO_ANSWER, "no data"),
    ],
)
async def test_a_list_that_is_refused_says_why(answers: list[Answer], trouble: SweepTrouble, words: str):
    with pytest.raises(SweepError, match=words) as raised:
        await found(sweep(Stripe({None: {}}, *answers)))
    assert raised.value.trouble is trouble
    assert "rk_live" not in str(raised.value)


async def test_a_key_that_lists_no_accounts_says_so():
    with pytest.raises(SweepError, match="may not list connected accounts"):
        await found(sweep(Stripe({None: {}}, refusal(403)), own=False))


@pytest.mark.parametrize("status", [400, 404])
async def test_an_unknown_anchor_starts_the_page_again(status: int):
    events = {f"evt_{number:03d}": number for number in range(150)}
    whole = Stripe({None: events})
    first = await whole.read("/v1/events?created[gte]=0&created[lte]=900&limit=100", SecretStr(""), None)
    stripe = Stripe({None: events}, first, refusal(status, param="starting_after"))
    assert await found(sweep(stripe)) == list(events)


def pace(**rate: float) -> Callable[[], float]:
    of = SweepPace(lambda _: Rate(**rate))
    return lambda: of.turn_ms("acme", None, 0)


def test_a_sweep_takes_a_tenth_of_the_accounts_calls():
    live = pace(account=100, endpoint=25)
    assert [live() for _ in range(4)] == [0, 100, 200, 300]
    assert [of() for of in [pace(endpoint=25)] for _ in range(2)] == [0, 400]
    assert [of() for of in [pace(account=100, endpoint=5)] for _ in range(2)] == [0, 200]
    assert [of() for of in [pace()] for _ in range(2)] == [0, 0]


def test_a_429_slows_one_account():
    of = SweepPace(lambda _: Rate(account=100))
    of.slow("acme", None, 5_000)
    assert [of.turn_ms("acme", None, 5_000) for _ in range(2)] == [0, 200]
    assert [of.turn_ms("acme", SHOP, 5_000) for _ in range(2)] == [0, 100]
