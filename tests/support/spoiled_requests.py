"""Requests that no Stripe sends: a valid delivery, spoiled in one or more ways, as the bytes that go on the wire.

Each way is a function in `WAYS`. Some leave the event valid: only the answer says whether it was taken, and a
test holds the answers against the topics.
"""

import gzip
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stripeline.deploy.local.example_events import example_event, sign

BOMB = gzip.compress(b"0" * 10_000_000)


@dataclass
class SpoiledRequest:
    """One request in the making."""

    body: bytes
    secret: str
    line: bytes = b"POST /webhooks/payments HTTP/1.1"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    before: bytes = b""
    after: bytes = b""
    cut_at: float = 1.0

    @property
    def wire(self) -> bytes:
        head = b"\r\n".join([self.line, *(name + b": " + value for name, value in self.headers)])
        sent = self.before + head + b"\r\n\r\n" + self.body + self.after
        return sent[: max(1, int(len(sent) * self.cut_at))]

    def replace(self, name: bytes, *values: bytes) -> None:
        self.headers = [(given, value) for given, value in self.headers if given.lower() != name.lower()]
        self.headers += [(name, value) for value in values]


def delivery(event_id: str, secret: str) -> SpoiledRequest:
    """A valid one."""
    body = example_event("payment_intent.succeeded", {"id": "pi_hostile", "amount": 1}, event_id=event_id)
    made = SpoiledRequest(body, secret)
    made.headers = [
        (b"Host", b"x"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"%d" % len(body)),
        (b"Stripe-Signature", sign(body, secret, int(time.time())).encode()),
    ]
    return made


def spoil(made: SpoiledRequest, ways: list[str], choice: random.Random) -> SpoiledRequest:
    for way in ways:
        WAYS[way](made, choice)
    return made


def random_spoiled(event_id: str, secret: str, choice: random.Random) -> SpoiledRequest:
    ways = choice.sample(sorted(WAYS), choice.choice((1, 1, 1, 2, 3)))
    return spoil(delivery(event_id, secret), ways, choice)


def _noise(made: SpoiledRequest, choice: random.Random) -> None:
    made.before = choice.randbytes(choice.randrange(1, 2_000))


def _flip(made: SpoiledRequest, choice: random.Random) -> None:
    if not made.body:
        return
    at = choice.randrange(len(made.body))
    made.body = made.body[:at] + bytes([made.body[at] ^ (1 << choice.randrange(8))]) + made.body[at + 1 :]


def _longer(made: SpoiledRequest, choice: random.Random) -> None:
    made.replace(b"Content-Length", b"%d" % (len(made.body) + choice.randrange(1, 10_000)))
    made.cut_at = 1.0


def _shorter(made: SpoiledRequest, choice: random.Random) -> None:
    made.replace(b"Content-Length", b"%d" % choice.randrange(max(1, len(made.body))))


def _odd_length(made: SpoiledRequest, choice: random.Random) -> None:
    lies = (b"-1", b"+5", b"0x10", b"1e3", b" ", b"99999999999999999999", b"5, 5", b"\xd9\xa1", b"1_0")
    made.replace(b"Content-Length", choice.choice(lies))


def _two_lengths(made: SpoiledRequest, choice: random.Random) -> None:
    real = b"%d" % len(made.body)
    made.replace(b"Content-Length", *choice.sample([real, b"0", b"7"], 2))


def _both_framings(made: SpoiledRequest, _: random.Random) -> None:
    """CL.TE: what one side takes for the body of this request, the other takes for a second request."""
    made.headers.append((b"Transfer-Encoding", b"chunked"))
    made.body = b"0\r\n\r\n" + made.line + b"\r\nHost: x\r\n\r\n" + made.body


def _odd_coding(made: SpoiledRequest, choice: random.Random) -> None:
    codings = (b"chunked, chunked", b"xchunked", b"gzip, chunked", b"\x0bchunked", b"chunked\x00", b"identity, chunked")
    made.replace(b"Content-Length")
    made.replace(b"Transfer-Encoding", choice.choice(codings))


def _bad_chunks(made: SpoiledRequest, choice: random.Random) -> None:
    sizes = (b"-1", b"fffffffffffffffff", b"5;" + b"x" * 20_000, b"zz", b"", b"5\n", b"0x5", b"1" * 5_000)
    made.replace(b"Content-Length")
    made.replace(b"Transfer-Encoding", b"chunked")
    made.body = choice.choice(sizes) + b"\r\n" + made.body + b"\r\n0\r\n" + b"X: y\r\n" * choice.randrange(3) + b"\r\n"


def _tiny_chunks(made: SpoiledRequest, _: random.Random) -> None:
    """The valid event, one byte a chunk."""
    made.replace(b"Content-Length")
    made.replace(b"Transfer-Encoding", b"chunked")
    made.body = b"".join(b"1\r\n%c\r\n" % byte for byte in made.body) + b"0\r\n\r\n"


def _split_header(made: SpoiledRequest, choice: random.Random) -> None:
    tricks = (
        (b"X-A", b"b\r\nContent-Length: 3"), (b"X-A", b"b\nX-B: c"), (b"X-A\r\n ", b"folded"), (b"X A", b"b"),
        (b"", b"nameless"), (b"X-A", b"\x00"), (b"X\x00A", b"b"), (b"X-A", b"\xff\xfe\x80"), (b"Host", b"y"),
    )  # fmt: skip
    made.headers.insert(choice.randrange(len(made.headers) + 1), choice.choice(tricks))


def _huge_head(made: SpoiledRequest, choice: random.Random) -> None:
    if choice.random() < 0.5:
        made.headers.append((b"X-Huge", b"h" * choice.choice((8_000, 9_000, 200_000))))
    else:
        made.headers += [(b"X-%d" % number, b"v") for number in range(choice.choice((100, 3_000)))]


def _line(made: SpoiledRequest, choice: random.Random) -> None:
    lines = (
        b"GET /webhooks/payments HTTP/1.1", b"PUT /webhooks/payments HTTP/1.1", b"POST /webhooks/payments HTTP/9.9",
        b"POST /webhooks/payments", b"POST  /webhooks/payments HTTP/1.1", b"POST http://[::1/webhooks HTTP/1.1",
        b"POST /webhooks/../webhooks/payments HTTP/1.1", b"POST /webhooks/payments%00 HTTP/1.1", b"PRI * HTTP/2.0",
        b"POST /webhooks/" + b"p" * 9_000 + b" HTTP/1.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"CONNECT a:443 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"POST /webhooks/\xff HTTP/1.1", b"HEAD / HTTP/1.0",
    )  # fmt: skip
    made.line = choice.choice(lines)


def _signature(made: SpoiledRequest, choice: random.Random) -> None:
    now = int(time.time())
    bad = (
        sign(made.body, "whsec_another", now).encode(), sign(made.body, made.secret, now - 301).encode(),
        sign(made.body, made.secret, now + 600).encode(), b"", b"t=,v1=", b"t=1,v1=" + b"0" * 64, b"v1=" * 5_00,
        b"t=%d" % now + b",v0=" + b"0" * 64, b"t=\xd9\xa1,v1=\xff", b"t=" + b"9" * 4_000 + b",v1=0",
    )  # fmt: skip
    made.replace(b"Stripe-Signature", choice.choice(bad))


def _two_signatures(made: SpoiledRequest, _: random.Random) -> None:
    made.headers.append((b"Stripe-Signature", sign(made.body, made.secret, int(time.time())).encode()))


def _bomb(made: SpoiledRequest, choice: random.Random) -> None:
    made.replace(b"Content-Encoding", choice.choice((b"gzip", b"deflate", b"br", b"gzip, gzip")))
    _signed(made, BOMB)


def _signed(made: SpoiledRequest, body: bytes) -> None:
    """Another body, with the right length and signature: it is refused for what it says."""
    made.body = body
    made.replace(b"Content-Length", b"%d" % len(body))
    made.replace(b"Stripe-Signature", sign(body, made.secret, int(time.time())).encode())


def _no_event(made: SpoiledRequest, choice: random.Random) -> None:
    bodies = (
        b"", b"null", b"[]", b"1", b'"x"', b"{", b"[" * 50_000, b'{"a":' * 50_000, b'{"id":"evt_x"}', b"\x00" * 100,
        b'{"id":"' + b"e" * 10_000 + b'","type":"payment_intent.succeeded"}', b'{"id":1e400}', b'"\\ud800"',
        b"\xef\xbb\xbf" + made.body, made.body + b"x", made.body[:-1],
    )  # fmt: skip
    _signed(made, choice.choice(bodies))


def _too_large(made: SpoiledRequest, choice: random.Random) -> None:
    if choice.random() < 0.5:
        _signed(made, b'{"pad":"' + b"x" * 1_000_000 + b'"}')
    else:
        made.replace(b"Content-Length", b"100000000")


def _other_type(made: SpoiledRequest, choice: random.Random) -> None:
    made.replace(b"Content-Type", choice.choice((b"text/plain", b"multipart/form-data; boundary=x", b"", b"\xff")))


def _expects(made: SpoiledRequest, choice: random.Random) -> None:
    made.headers.append((b"Expect", choice.choice((b"100-continue", b"a-miracle"))))


def _upgrades(made: SpoiledRequest, choice: random.Random) -> None:
    made.headers += [(b"Connection", b"Upgrade"), (b"Upgrade", choice.choice((b"websocket", b"h2c")))]


def _pipelined_noise(made: SpoiledRequest, choice: random.Random) -> None:
    """The valid event, and noise right behind it on the same connection."""
    made.after = choice.choice((choice.randbytes(500), b"GET / HTTP/1.1\r\n\r\n" * 50, b"\r\n" * 1_000, b"POST /webh"))


def _cut(made: SpoiledRequest, choice: random.Random) -> None:
    made.cut_at = choice.random() * 0.99


_WAYS = (
    _noise, _flip, _longer, _shorter, _odd_length, _two_lengths, _both_framings, _odd_coding, _bad_chunks,
    _tiny_chunks, _split_header, _huge_head, _line, _signature, _two_signatures, _bomb, _no_event, _too_large,
    _other_type, _expects, _upgrades, _pipelined_noise, _cut,
)  # fmt: skip
Way = Callable[[SpoiledRequest, random.Random], None]
WAYS: dict[str, Way] = {way.__name__.removeprefix("_"): way for way in _WAYS}
