"""One page for several processes."""

import pytest

from stripeline.deploy.runtime.process_group.member_health import MemberHealth
from stripeline.deploy.runtime.process_group.merged_pages import healthz, readyz

READY, STARTS = MemberHealth(ready=True), MemberHealth(state="starts")
NO_KAFKA = MemberHealth(missing={"kafka": "Kafka is away"})


def test_ingest_is_ready_when_one_process_is():
    warned = MemberHealth(ready=True, warnings={"secrets": "pay is closed"})
    status, body = readyz({1: warned, 2: NO_KAFKA, 3: STARTS}, ending=False, needs_all=False)
    assert (status, body["status"], body["processes"]) == (200, "ready", {"ready": 1, "of": 3})
    assert body["warnings"] == {
        "process 1: secrets": "pay is closed", "process 2: kafka": "Kafka is away", "process 3: state": "starts",
    }  # fmt: skip


def test_workers_are_ready_when_all_processes_are():
    status, body = readyz({1: READY, 2: STARTS}, ending=False, needs_all=True)
    assert (status, body["missing"]) == (503, {"process 2: state": "starts"})
    assert readyz({1: READY, 2: READY}, ending=False, needs_all=True)[0] == 200


@pytest.mark.parametrize("needs_all", [True, False])
def test_one_ready_process_of_one_is_enough(needs_all: bool):
    expected = (200, {"status": "ready", "processes": {"ready": 1, "of": 1}})
    assert readyz({1: READY}, ending=False, needs_all=needs_all) == expected


@pytest.mark.parametrize("needs_all", [True, False])
def test_without_a_ready_process_the_group_is_not_ready(needs_all: bool):
    status, body = readyz({1: NO_KAFKA, 2: MemberHealth()}, ending=False, needs_all=needs_all)
    assert (status, body["missing"]) == (
        503, {"process 1: kafka": "Kafka is away", "process 2: state": "does not answer"},
    )  # fmt: skip


def test_a_group_that_ends_is_not_ready():
    status, body = readyz({1: READY}, ending=True, needs_all=False)
    assert (status, body["missing"]) == (503, {"process": "the process is ending"})


def test_one_broken_process_breaks_the_group():
    assert healthz({1: READY, 2: NO_KAFKA}) == (200, {"status": "ok"})
    status, body = healthz({1: READY, 2: MemberHealth(broken={"control": "it has ended"})})
    assert (status, body["reasons"]) == (503, {"process 2: control": "it has ended"})
