"""Thin events of one key are published in their order, each once, whatever fails; and no key waits for ever."""

from unittest.mock import patch

import orjson
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts import headers as h
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.thin import thin_waits
from tests.support.thin_world import ThinWorld, found, thin, thin_record

SOON_MS = 300_000
DOWN = StripeAnswer(status=503, headers={}, body=b'{"error":{"type":"api_error"}}')
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("arrives"), st.sampled_from(["pi_a", "pi_b", "pi_c"])),
        st.tuples(st.just("returns"), st.booleans()),
    ),
    max_size=60,
)


class Ordered(ThinWorld):
    """Stripe names a snapshot of each event, and answers or does not."""

    def __post_init__(self):
        super().__post_init__()
        self.up, self.count = True, 0

    def _answer(self, path):
        name = path.rsplit("/", 1)[1]
        if not self.up:
            return DOWN
        if path.startswith("/v2/"):
            return found(thin(name, snapshot_event=f"snap.{name}"))
        key = name.split(".")[2]
        return found(
            {
                "id": name, "object": "event", "type": "payment_intent.succeeded", "created": 1, "livemode": False,
                "data": {"object": {"id": key, "object": "payment_intent"}},
            }
        )  # fmt: skip

    def arrives(self, key, *, up=True):
        self.up, self.count = up, self.count + 1
        related = {"id": key, "type": "payment_intent", "url": f"/v1/payment_intents/{key}"}
        self.take(thin_record(thin(f"{self.count:03d}.{key}", related_object=related)))

    def returns(self, up):
        self.up = up
        if self.waiting:
            self.take(self.next_due())

    def of_key(self, key):
        """The numbers of its events, in the order of their publication."""
        ids = [orjson.loads(one.value)["id"] for one in self.published]
        return [int(one.split(".")[1]) for one in ids if one.endswith(key)]


@given(ACTS, st.lists(st.booleans(), min_size=60, max_size=60))
def test_events_of_a_key_are_published_in_order_each_once(acts, ups):
    world = Ordered()
    for (act, of), up in zip(acts, ups, strict=False):
        world.arrives(of, up=up) if act == "arrives" else world.returns(of)
    world.up = True
    world.drain()
    for key in ("pi_a", "pi_b", "pi_c"):
        assert world.of_key(key) == sorted(set(world.of_key(key)))
    assert len(world.published) + len(world.dead) == world.count
    assert world.ledger.sizes["queues"] == 0


@given(ACTS, st.lists(st.booleans(), min_size=60, max_size=60), st.sets(st.integers(0, 30)))
def test_a_record_lost_in_a_tier_stops_no_key_for_good(acts, ups, lost):
    with patch.object(thin_waits, "LOST_AFTER_MS", SOON_MS):
        _with_lost(Ordered(), acts, ups, lost)


def _with_lost(world, acts, ups, lost):
    for number, ((act, of), up) in enumerate(zip(acts, ups, strict=False)):
        world.arrives(of, up=up) if act == "arrives" else world.returns(of)
        if number in lost and world.waiting:
            world.waiting.pop()
    world.up, end_ms = True, world.now_ms + 6 * SOON_MS
    world.drain()
    assert world.now_ms < end_ms
    world.arrives("pi_a")
    world.arrives("pi_b")
    world.drain()
    assert world.of_key("pi_a")[-1] == world.count - 1
    assert world.of_key("pi_b")[-1] == world.count


def test_a_head_that_failed_for_good_frees_its_key():
    world = Ordered()
    world.arrives("pi_a", up=False)
    for _ in range(3):
        world.arrives("pi_a")
    for _ in range(100):
        first = h.number(h.read(world.waiting[0].headers), h.PLACE) if world.waiting else None
        if first is None:
            break
        record = world.next_due()
        world.up = b"001.pi_a" not in (record.value or b"")
        world.take(record)
    assert (world.of_key("pi_a"), len(world.dead)) == ([2, 3, 4], 1)
