"""When a refused key is tried again, and what the answer says."""

import orjson
import pytest

from stripeline.contracts.operator.control_records import KeyRefusal, Probe
from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.connection.key_probe import AGAIN_MS, HOUR_MS, ProbePlan, ProbeVerdict, verdict
from stripeline.workers.executor.stripe_answer import StripeAnswer

NOW = 10_000_000
REFUSALS = {
    "acme": KeyRefusal(key_name="k1", since_ms=NOW),
    "acme/acct_1": KeyRefusal(key_name="k1", since_ms=NOW + 1_000),
}


def answer(status, body):
    return StripeAnswer(status=status, headers={}, body=body if isinstance(body, bytes) else orjson.dumps(body))


def error(status, code=None):
    return answer(status, {"error": {"type": "invalid_request_error", "code": code}})


@pytest.mark.parametrize(
    ("found", "account", "said"),
    [
        (answer(200, {"object": "account", "id": "acct_1"}), None, ProbeVerdict.ACCEPTED),
        (error(401), None, ProbeVerdict.REFUSED),
        (error(401), "acct_1", ProbeVerdict.REFUSED),
        (error(403), None, ProbeVerdict.ACCEPTED),
        (error(403), "acct_1", ProbeVerdict.ACCEPTED),
        (error(403, "account_invalid"), "acct_1", ProbeVerdict.REFUSED),
        (error(403, "account_invalid"), None, ProbeVerdict.ACCEPTED),
        (error(429), None, ProbeVerdict.UNKNOWN),
        (error(500), None, ProbeVerdict.UNKNOWN),
        (answer(200, b"<html>"), None, ProbeVerdict.UNKNOWN),
        (answer(200, {"object": "charge"}), None, ProbeVerdict.UNKNOWN),
        (answer(401, {"message": "Jwt is missing"}), None, ProbeVerdict.UNKNOWN),
        (answer(403, b"<html>"), None, ProbeVerdict.UNKNOWN),
        *((fault, None, ProbeVerdict.UNKNOWN) for fault in Fault),
    ],
)
def test_what_an_answer_says(found, account, said):
    assert verdict(found, account) is said


def due(plan, now_ms, probes=None, paused=None):
    return list(plan.due(REFUSALS, probes or {}, paused or {}, now_ms))


def test_a_refused_key_is_tried_once_an_hour():
    plan = ProbePlan()
    assert due(plan, NOW + HOUR_MS - 1) == []
    assert due(plan, NOW + HOUR_MS) == ["acme"]
    plan.tried("acme", {}, ProbeVerdict.REFUSED, NOW + HOUR_MS)
    assert due(plan, NOW + HOUR_MS + 1_000) == ["acme/acct_1"]
    plan.tried("acme/acct_1", {}, ProbeVerdict.REFUSED, NOW + HOUR_MS + 1_000)
    assert due(plan, NOW + 2 * HOUR_MS - 1) == []
    assert due(plan, NOW + 2 * HOUR_MS) == ["acme"]


def test_no_answer_is_asked_for_again_sooner():
    plan = ProbePlan()
    plan.tried("acme", {}, ProbeVerdict.UNKNOWN, NOW)
    assert due(plan, NOW + AGAIN_MS - 1) == []
    assert due(plan, NOW + AGAIN_MS) == ["acme"]


def test_a_persons_wish_is_one_call_for_each_refusal():
    plan, first = ProbePlan(), {"acme": Probe(by="ada", at_ms=5)}
    assert due(plan, NOW, first) == ["acme", "acme/acct_1"]
    for name in REFUSALS:
        plan.tried(name, first, ProbeVerdict.REFUSED, NOW)
    assert due(plan, NOW, first) == []
    assert due(plan, NOW, {"acme": Probe(by="ada", at_ms=6)}) == ["acme", "acme/acct_1"]
    assert due(plan, NOW, {"other": Probe(by="ada", at_ms=6)}) == []


def test_what_a_person_paused_is_not_tried():
    assert due(ProbePlan(), NOW + HOUR_MS, paused={"connection/acme": 1}) == []


def test_what_is_accepted_is_forgotten():
    plan, probes = ProbePlan(), {"acme": Probe(by="ada", at_ms=5)}
    plan.tried("acme", probes, ProbeVerdict.ACCEPTED, NOW)
    assert list(plan.due({}, probes, {}, NOW)) == []
    assert due(plan, NOW, probes) == ["acme", "acme/acct_1"]
