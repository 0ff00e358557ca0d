"""What answers in Stripe's place: no key is looked at, no header of Stripe's is there, and nothing is kept."""

from typing import Any

import orjson
import pytest

from stripeline.deploy.sandbox.api.values import SandboxReply, SandboxRequest
from stripeline.deploy.sandbox.control_api import control
from stripeline.deploy.sandbox.hops import HOPS
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_000


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(seed=1)


def post(sandbox: Sandbox, body: bytes = b"description=c1", key: str = "sk_test_hop1111") -> SandboxReply:
    call = SandboxRequest(
        method="POST",
        path="/v1/customers",
        body=body,
        content_type="application/x-www-form-urlencoded",
        authorization=f"Bearer {key}",
        idempotency_key="k",
    )
    ticket = sandbox.arrive(call, NOW)
    reply = sandbox.execute(ticket, NOW)
    sandbox.leave(ticket, reply, NOW)
    return reply


def hop(sandbox: Sandbox, path: str = "/hops", **body: Any) -> tuple[int, Any]:
    answer = control(sandbox, SandboxRequest(method="POST", path="/_sandbox" + path, body=orjson.dumps(body)), NOW)
    return answer.status, orjson.loads(answer.body)


@pytest.mark.parametrize("name", HOPS)
def test_a_hop_answers_in_stripes_place_as_often_as_asked(sandbox: Sandbox, name: str) -> None:
    hop(sandbox, answer=name, times=2)
    for _ in range(2):
        reply = post(sandbox)
        assert reply.answer.status == int(name.rpartition("_")[2])
        assert b'"error"' not in reply.answer.body
        assert "Request-Id" not in reply.headers
    assert (post(sandbox).answer.status, post(sandbox).replayed) == (200, True)
    assert len(sandbox.endpoints.ledger.effects) == 1
    assert [row["hop"] for row in sandbox.endpoints.ledger.recent(9)] == [False, False, True, True]


def test_a_hop_answers_for_ever(sandbox: Sandbox) -> None:
    hop(sandbox, answer="html_404", times=None)
    assert {post(sandbox).answer.status for _ in range(5)} == {404}


def test_a_hop_does_not_judge_the_key(sandbox: Sandbox) -> None:
    hop(sandbox, answer="message_401")
    assert orjson.loads(post(sandbox, key="nonsense").answer.body) == {"message": "Jwt is missing"}
    assert "error" in orjson.loads(post(sandbox, key="nonsense").answer.body)


def test_a_hop_may_lose_stripes_answer(sandbox: Sandbox) -> None:
    hop(sandbox, answer="html_502", when="after")
    reply = post(sandbox)
    assert (reply.answer.status, reply.answer.content_type) == (502, "text/html")
    assert len(sandbox.endpoints.ledger.effects) == 1
    assert post(sandbox).replayed


def test_a_login_page_is_where_the_test_says(sandbox: Sandbox) -> None:
    hop(sandbox, answer="login_302", location="http://127.0.0.1:1/login")
    assert post(sandbox).answer.headers["Location"] == "http://127.0.0.1:1/login"


@pytest.mark.parametrize(
    ("match", "strikes"),
    [
        ({"contains": "c1"}, True),
        ({"contains": "c2"}, False),
        ({"key_last4": "1111"}, True),
        ({"key_last4": "2222"}, False),
        ({"account": "acct_1"}, False),
        ({"path": "/v1/customers", "method": "POST", "idempotency_key": "k"}, True),
    ],
)
def test_a_hop_strikes_what_it_matches(sandbox: Sandbox, match: dict[str, str], strikes: bool) -> None:
    hop(sandbox, answer="html_403", match=match)
    assert (post(sandbox).answer.status == 403) is strikes


@pytest.mark.parametrize("body", [b"a[=1", b"a=1&a[b]=2", b"\xff"])
def test_a_hop_reads_no_parameters(sandbox: Sandbox, body: bytes) -> None:
    hop(sandbox, answer="html_403")
    assert post(sandbox, body).answer.status == 403


def test_a_fault_of_stripe_is_none_of_a_hop(sandbox: Sandbox) -> None:
    hop(sandbox, "/faults", fault={"status": 503})
    hop(sandbox, "/faults", fault={"status": 404, "hop": True, "body": "gone", "delay_s": 1})
    first, second = post(sandbox), post(sandbox)
    assert (first.answer.body, "Request-Id" in first.headers) == (b"gone", False)
    assert (second.answer.status, "Request-Id" in second.headers) == (503, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/hops", {"answer": "html_999"}),
        ("/faults", {"fault": {"hop": True, "status": 404}}),
        ("/faults", {"fault": {"hop": True, "body": "x", "stored": True}}),
    ],
)
def test_a_hop_that_makes_no_sense_is_refused(sandbox: Sandbox, path: str, body: dict[str, Any]) -> None:
    assert hop(sandbox, path, **body)[0] == 400
