"""The control API without a server."""

from typing import Any

import orjson
import pytest

from stripeline.deploy.sandbox.api.values import SandboxRequest
from stripeline.deploy.sandbox.control_api import control
from stripeline.deploy.sandbox.magic import MAGIC
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_000
KEY = "sk_test_control9876"


class Hand:
    def __init__(self) -> None:
        self.sandbox = Sandbox(seed=1)

    def __call__(self, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        raw = b"" if body is None else orjson.dumps(body)
        call = SandboxRequest(method=method, path="/_sandbox" + path, query=query, body=raw)
        answer = control(self.sandbox, call, NOW)
        return answer.status, orjson.loads(answer.body)

    def stripe(self, method: str, path: str, body: bytes = b"") -> int:
        form = "application/x-www-form-urlencoded"
        call = SandboxRequest(method=method, path=path, body=body, content_type=form, authorization=f"Bearer {KEY}")
        ticket = self.sandbox.arrive(call, NOW)
        reply = self.sandbox.execute(ticket, NOW)
        self.sandbox.leave(ticket, reply, NOW)
        return reply.answer.status


@pytest.fixture
def hand() -> Hand:
    return Hand()


def test_the_index_names_everything(hand: Hand) -> None:
    status, index = hand("GET", "")
    assert status == 200
    assert "POST /_sandbox/faults" in index["control"]
    assert set(index["magic"]) == {str(number) for number in MAGIC}


def test_the_clock_only_advances(hand: Hand) -> None:
    assert hand("POST", "/clock", {"advance_s": 90000})[1] == {"now_ms": NOW + 90_000_000, "offset_s": 90000}
    assert hand.sandbox.now_ms(NOW) == NOW + 90_000_000
    assert hand("POST", "/clock", {"advance_s": -1})[0] == 400
    assert hand("GET", "/clock")[0] == 200


def test_faults_come_and_go(hand: Hand) -> None:
    rule = {
        "match": {"path": "/v1/customers"},
        "times": None,
        "fault": {"status": 503, "headers": {"Retry-After": "3"}},
    }
    assert hand("POST", "/faults", rule)[1]["rules"][0]["fault"]["headers"] == {"Retry-After": "3"}
    assert hand.stripe("POST", "/v1/customers", b"name=x") == 503
    assert hand("GET", "/faults")[1]["rules"][0]["struck"] == 1
    assert hand("DELETE", "/faults")[1] == {"rules": []}
    assert hand.stripe("POST", "/v1/customers", b"name=x") == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/faults", {"fault": {"statsu": 500}}),
        ("/faults", {"fault": {"status": 99}}),
        ("/faults", {"fault": {}, "times": 0}),
        ("/faults", None),
        ("/settings", {"latency": 1}),
        ("/keys", {"revoked": True}),
        ("/charges", {"id": "cus_1"}),
        ("/charges", {"status": "gone"}),
    ],
)
def test_a_mistyped_body_is_refused_with_a_reason(hand: Hand, path: str, body: Any) -> None:
    status, answer = hand("POST", path, body)
    assert status == 400
    assert answer["error"]


def test_an_unknown_operation_points_to_the_index(hand: Hand) -> None:
    assert hand("GET", "/nothing") == (
        404,
        {"error": "The sandbox has no GET /_sandbox/nothing: GET /_sandbox lists what it has."},
    )


def test_settings_change_only_what_is_sent(hand: Hand) -> None:
    hand("POST", "/settings", {"latency_s": 0.5, "endpoint_per_s": 25})
    hand("POST", "/settings", {"search_delay_s": 60, "seed": 5})
    assert hand("GET", "/settings")[1] == {
        "latency_s": 0.5,
        "search_delay_s": 60,
        "account_per_s": None,
        "endpoint_per_s": 25,
        "api_version": "2026-06-24.dahlia",
        "events_listed_after_s": 0,
        "delivery_attempts": 6,
        "destinations_in_both_apis": False,
    }
    drawn = hand.sandbox.faults.rng.random()
    hand("POST", "/settings", {"seed": 5})
    assert hand.sandbox.faults.rng.random() == drawn


def test_keys_are_revoked_and_restored_and_never_shown(hand: Hand) -> None:
    for revoked, status in ((True, 401), (False, 200)):
        answer = hand("POST", "/keys", {"key": KEY, "account": "acct_mine", "revoked": revoked})[1]
        assert answer == {"keys": [{"key": "sk_test_…9876", "account": "acct_mine", "revoked": revoked}]}
        assert hand.stripe("POST", "/v1/customers", b"name=x") == status
    assert hand("GET", "/ledger", query="account=acct_mine")[1]["effects"][0]["account"] == "acct_mine"
    assert hand("POST", "/keys", {"key": "sk_test_other1111"})[1] == hand("GET", "/keys")[1]


def test_seeds_are_for_one_account_or_for_all(hand: Hand) -> None:
    hand("POST", "/charges", {"id": "ch_all", "refunded": True})
    hand("POST", "/charges", {"id": "ch_other", "key": "sk_test_other"})
    assert hand("POST", "/customers", {"email": "a@example.com"})[1]["id"].startswith("cus_")
    assert hand.stripe("GET", "/v1/charges/ch_all") == 200
    assert hand.stripe("GET", "/v1/charges/ch_other") == 404
    assert hand.sandbox.endpoints.ledger.effects == []


def test_the_ledger_and_the_requests_are_cut_on_demand(hand: Hand) -> None:
    for _ in range(3):
        hand.stripe("POST", "/v1/customers", b"name=x")
    assert [row["seq"] for row in hand("GET", "/ledger", query="after=1&limit=1&object=customer")[1]["effects"]] == [2]
    assert len(hand("GET", "/requests", query="limit=2")[1]["requests"]) == 2
    assert len(hand("GET", "/requests")[1]["requests"]) == 3
    assert hand("GET", "/ledger", query="colour=red")[0] == 400
    assert hand("GET", "/ledger", query="limit=-1")[0] == 400


def test_reset_forgets_everything(hand: Hand) -> None:
    hand.stripe("POST", "/v1/customers", b"name=x")
    hand("POST", "/clock", {"advance_s": 1})
    hand("POST", "/keys", {"key": KEY, "revoked": True})
    hand("POST", "/reset")
    assert hand("GET", "/ledger")[1]["total_effects"] == 0
    assert hand("GET", "/keys")[1] == {"keys": []}
    assert hand.sandbox.clock_offset_ms == 0
