import hmac
import time

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.deliveries.delivery_vocabulary import SignatureReason
from stripeline.ingest.signature import MAX_HEADER_BYTES, MAX_ITEMS, Refused, Verified, _taken_apart, parse, verify
from tests.support.webhook_paths import own_path

NOW_S = 1_790_000_000
BODY = b'{"id": "evt_1"}'
OLD, NEW = b"whsec_old", b"whsec_new"


def mac(secret: bytes = NEW, t: int | bytes = NOW_S, body: bytes = BODY) -> bytes:
    stamp = t if isinstance(t, bytes) else str(t).encode()
    return hmac.digest(secret, stamp + b"." + body, "sha256").hex().encode()


def header(secret: bytes = NEW, t: int = NOW_S, body: bytes = BODY) -> bytes:
    return b"t=%d,v1=%b" % (t, mac(secret, t, body))


def test_a_header_made_by_stripes_own_library_passes() -> None:
    made = stripe.WebhookSignature.generate_signature_header(BODY.decode(), NEW.decode(), timestamp=NOW_S)
    assert verify(made.encode(), BODY, [NEW], NOW_S) == Verified(secret_index=0, signed_at=NOW_S)


@pytest.mark.parametrize(
    ("ring", "index"), [([OLD, NEW], 1), ([NEW], 0), ([NEW, OLD], 0), ([b"whsec_other", b"whsec_more", NEW], 2)]
)
def test_any_live_secret_may_have_signed(ring: list[bytes], index: int) -> None:
    assert verify(header(NEW), BODY, ring, NOW_S) == Verified(secret_index=index, signed_at=NOW_S)


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)])
@pytest.mark.parametrize("ring", [[OLD], [NEW], [OLD, NEW]])
def test_during_a_roll_either_of_two_v1_is_enough(order: tuple[bytes, bytes], ring: list[bytes]) -> None:
    rolled = b"t=%d,v1=%b,v1=%b" % (NOW_S, mac(order[0]), mac(order[1]))
    assert isinstance(verify(rolled, BODY, ring, NOW_S), Verified)


@pytest.mark.parametrize(
    "accepted",
    [
        b"v1=%b,t=%d" % (mac(), NOW_S),
        b"t=%d,v0=abc,v1=%b,v2=def" % (NOW_S, mac()),
        b"t=%d,junk,,v1=,v1=%b," % (NOW_S, mac()),
        b"t=%d,v1=\x7f,v1=%b" % (NOW_S, mac()),
    ],
    ids=["v1 first", "unknown schemes", "junk items", "control byte"],
)
def test_what_is_no_t_or_v1_is_ignored(accepted: bytes) -> None:
    assert isinstance(verify(accepted, BODY, [NEW], NOW_S), Verified)


@pytest.mark.parametrize(
    "accepted",
    [
        b"t=%d, v1=%b, v0=%b" % (NOW_S, mac(), b"0" * 64),  # behind a proxy: stripe-java#1150
        b" t=%d ,\tv1=%b\t" % (NOW_S, mac()),
        b"t=%d  ,  v1=%b" % (NOW_S, mac()),
    ],
)
def test_blanks_around_an_item_mean_nothing(accepted: bytes) -> None:
    assert isinstance(verify(accepted, BODY, [NEW], NOW_S), Verified)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", SignatureReason.MISSING),
        (b"junk", SignatureReason.BAD_TIMESTAMP),
        (b"=,=", SignatureReason.BAD_TIMESTAMP),
        (b"v1=" + mac(), SignatureReason.BAD_TIMESTAMP),
        (b"t=,v1=" + mac(), SignatureReason.BAD_TIMESTAMP),
        (b"t=+1,v1=" + mac(), SignatureReason.BAD_TIMESTAMP),
        (b"t=-5,v1=" + mac(), SignatureReason.BAD_TIMESTAMP),
        (b"t=1.5,v1=" + mac(), SignatureReason.BAD_TIMESTAMP),
        (b"t=1_7,v1=" + mac(), SignatureReason.BAD_TIMESTAMP),
        (b"t=" + b"9" * 13 + b",v1=" + mac(), SignatureReason.BAD_TIMESTAMP),
        (b"t=%d,t=%d,v1=%b" % (NOW_S, NOW_S, mac()), SignatureReason.BAD_TIMESTAMP),
        (b"t=%d" % NOW_S, SignatureReason.NO_SIGNATURE),
        (b"t=%d,v0=%b" % (NOW_S, mac()), SignatureReason.NO_SIGNATURE),
        (b"t=%d, v1 =%b" % (NOW_S, mac()), SignatureReason.NO_SIGNATURE),
        (b"t= %d,v1=%b" % (NOW_S, mac()), SignatureReason.BAD_TIMESTAMP),
        (b"t=%d,\nv1=%b" % (NOW_S, mac()), SignatureReason.NO_SIGNATURE),
        (b"t=%d, t=%d, v1=%b" % (NOW_S, NOW_S, mac()), SignatureReason.BAD_TIMESTAMP),
        (b"t=%d, v1=%b" % (NOW_S, mac(OLD)), SignatureReason.MISMATCH),
        (b"t=%d,v1=" % NOW_S, SignatureReason.MISMATCH),
        (b"t=%d,v1=%b" % (NOW_S, mac().upper()), SignatureReason.MISMATCH),
        (b"t=%d,v1=%b" % (NOW_S, mac()[:-1]), SignatureReason.MISMATCH),
        (b"t=%d,v1=%b0" % (NOW_S, mac()), SignatureReason.MISMATCH),
        (b"t=%d,v1=%b" % (NOW_S + 1, mac()), SignatureReason.MISMATCH),
        (header(OLD), SignatureReason.MISMATCH),
        (b"t=%d,v1=\xc3\xa9" % NOW_S, SignatureReason.NOT_ASCII),
        ("t=１７９０,v1=x".encode(), SignatureReason.NOT_ASCII),  # noqa: RUF001  full-width digits
        (b"t=%d,v1=%b\xff" % (NOW_S, mac()), SignatureReason.NOT_ASCII),
    ],
)
def test_what_is_refused_and_why(sent: bytes, reason: SignatureReason) -> None:
    assert verify(sent, BODY, [NEW], NOW_S) == Refused(reason=reason)


def test_a_body_changed_by_one_byte_is_refused() -> None:
    assert verify(header(), BODY + b" ", [NEW], NOW_S) == Refused(reason=SignatureReason.MISMATCH)


def test_the_raw_bytes_are_what_is_signed() -> None:
    odd = b"\xff\x00 not utf-8"
    assert isinstance(verify(header(body=odd), odd, [NEW], NOW_S), Verified)


def test_no_secret_accepts_nothing() -> None:
    assert verify(header(b""), BODY, [], NOW_S) == Refused(reason=SignatureReason.MISMATCH)


@pytest.mark.parametrize("age_s", [-300, -1, 0, 299, 300])
def test_within_the_tolerance(age_s: int) -> None:
    assert isinstance(verify(header(t=NOW_S - age_s), BODY, [NEW], NOW_S + 0.9), Verified)


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [(301, SignatureReason.TOO_OLD), (-301, SignatureReason.IN_THE_FUTURE), (-600, SignatureReason.IN_THE_FUTURE)],
)
def test_outside_the_tolerance(age_s: int, reason: SignatureReason) -> None:
    assert verify(header(t=NOW_S - age_s), BODY, [NEW], NOW_S) == Refused(reason=reason, skew_s=age_s)


def test_the_age_is_only_told_to_a_holder_of_a_secret() -> None:
    assert verify(header(OLD, t=1), BODY, [NEW], NOW_S) == Refused(reason=SignatureReason.MISMATCH)


def test_as_many_items_as_are_allowed_and_one_more() -> None:
    junk = b",v1=" + b"0" * 8
    most = b"t=%d" % NOW_S + junk * (MAX_ITEMS - 2) + b",v1=" + mac()
    assert isinstance(verify(most, BODY, [NEW], NOW_S), Verified)
    assert verify(most + b",", BODY, [NEW], NOW_S) == Refused(reason=SignatureReason.TOO_MANY_ITEMS)


def test_as_long_a_header_as_is_allowed_and_one_byte_more() -> None:
    longest = header() + b",x=" + b"x" * (MAX_HEADER_BYTES - len(header()) - 3)
    assert isinstance(verify(longest, BODY, [NEW], NOW_S), Verified)
    assert verify(longest + b"x", BODY, [NEW], NOW_S) == Refused(reason=SignatureReason.TOO_LONG)


def test_a_hostile_header_costs_little() -> None:
    started = time.perf_counter()
    for hostile in (b"v1=" + mac() + b",", b",", b"t=1,", b"=,"):
        assert isinstance(verify(hostile * 100_000, BODY, [NEW] * 5, NOW_S), Refused)
    assert time.perf_counter() - started < 1


def stripe_accepts(sent: bytes, body: bytes, secret: bytes) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body, sent.decode(), secret.decode(), tolerance=300))
    except stripe.SignatureVerificationError:
        return False


_ages = st.one_of(st.integers(-100, 250), st.integers(400, 10_000))  # Stripe's library lets all of the future pass
_items = st.lists(
    st.sampled_from([b"v0=abc", b"junk", b"", b"v1=", b"v1=" + b"0" * 64, b"v2=x", b"x=y=z", b"old", b"new"]),
    max_size=8,
)


@given(age_s=_ages, items=_items, at=st.integers(0, 8), body=st.text(st.characters(codec="utf-8"), max_size=40))
def test_stripes_own_library_says_the_same(age_s: int, items: list[bytes], at: int, body: str) -> None:
    now_s, raw = time.time(), body.encode()
    t = int(now_s) - age_s
    signed = {b"old": b"v1=" + mac(OLD, t, raw), b"new": b"v1=" + mac(NEW, t, raw)}
    parts = [signed.get(item, item) for item in items]
    parts.insert(at, b"t=%d" % t)
    sent = b",".join(parts)
    ours = isinstance(verify(sent, raw, [NEW], now_s), Verified)
    assert ours == stripe_accepts(sent, raw, NEW)


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_junk_is_refused_and_never_raises(sent: bytes, body: bytes) -> None:
    assert isinstance(verify(sent, body, [OLD, NEW], NOW_S), Refused)


@given(st.from_regex(rb"t=[0-9]{0,14},v1=[0-9a-f]{62,66}", fullmatch=True))
def test_the_usual_header_is_read_as_any_other(sent: bytes) -> None:
    assert parse(sent) == _taken_apart(sent)


def test_a_trigger_shows_no_secret_and_takes_no_empty_one() -> None:
    trigger = own_path(name="pay", family_kind="stripe/payment-event", connection="acme", secrets=(b"whsec_x",))
    assert "whsec" not in repr(trigger)
    with pytest.raises(ValueError, match="empty signing secret"):
        own_path(name="pay", family_kind="stripe/payment-event", connection="acme", secrets=(b"whsec_x", b""))
