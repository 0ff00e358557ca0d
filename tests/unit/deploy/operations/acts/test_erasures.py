"""Which runs are erased, and that neither the act nor its record keeps what they erase."""

from typing import Any

import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import RecordedError, Run, RunStep, encode, read
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.erasures import Erasure, about, acts, view

SIGNED = Signed(by="ada", why="ticket 4711", at_ms=7)
STEP = RunStep(
    id="customer", action="stripe/create-customer", command_id="evt_1:thanks:customer", revision=0, status="succeeded",
    output={"id": "cus_1", "object": "customer", "email": "a@b.c"}, error=None, started_ms=1, finished_ms=2,
)  # fmt: skip
RUN = Run(
    run_id="evt_1:thanks", workflow="thanks", trigger="pay", event_id="evt_1", event_type="customer.created",
    status="stopped", step="pay", error=RecordedError(code="CONFLICT", message="a@b.c exists", retryable=False),
    steps=(STEP,), started_ms=1, finished_ms=2, definition=(), context={"data": {"email": "a@b.c"}}, key="cus_9",
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"customer": "cus_1"}, True), ({"customer": "cus_9"}, True), ({"customer": "cus_2"}, False),
        ({"event": "evt_1"}, True), ({"event": "evt_2"}, False),
    ],
)  # fmt: skip
def test_a_run_is_found_by_its_event_or_whom_it_is_about(asked: dict[str, str], found: bool) -> None:
    assert about(RUN, **{"customer": None, "event": None, **asked}) is found


@pytest.mark.parametrize(
    ("changes", "fate", "erases"),
    [
        ({}, "is erased, and can't be retried any more", True),
        ({"finished_ms": None}, "cancel it first", False),
        ({"erased_ms": 3}, "is erased already", False),
    ],
)
def test_a_run_that_runs_or_is_erased_is_left_alone(changes: dict[str, Any], fate: str, erases: bool) -> None:
    one = Erasure(run=replace(RUN, **changes), partition=2)
    assert (fate in one.fate, one.erases, len(list(acts(Topics(), [one], SIGNED)))) == (True, erases, int(erases))


def test_neither_the_act_nor_its_record_holds_what_is_erased() -> None:
    (act,) = acts(Topics(), [Erasure(run=RUN, partition=2)], SIGNED)
    (effect,) = act.effects
    assert (effect.topic, effect.partition, effect.key) == ("stripe.act", 2, b"evt_1:thanks")
    asked, kept = read(RunAct, dict(effect.headers)[h.ACT]), read(Run, effect.value or b"")
    assert (asked.act, asked.run, kept.run_id, kept.erased_ms) == ("erase", "evt_1:thanks", "evt_1:thanks", 7)
    for text in (str(effect.value), str(effect.headers), str(encode(act.audit))):
        assert "a@b.c" not in text
        assert "cus_" not in text
    assert (act.audit.act, act.audit.about) == ("erase_run", "run evt_1:thanks")


def test_a_view_shows_ids_and_states_alone() -> None:
    assert "a@b.c" not in str(view(Erasure(run=RUN, partition=2)))
