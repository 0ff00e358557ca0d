"""Applied and deleted definitions are on the audit topic, masked, before anything takes effect."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stripeline.contracts.definitions import Connection, Step, Workflow
from stripeline.contracts.internal_records import AuditRecord, encode, read
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import definition_acts
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.definition_acts import MAX_RECORD_BYTES, carry_out, definition_records

SIGNED = Signed(by="ada", why="from 50.00 on", at_ms=1_000)
ACME = Connection(secret_key="sealed:v1:hidden", mode="test", hint="sk_test_…wxyz")


def flow(where: str) -> Workflow:
    return Workflow(trigger="pay", where=where, steps=(Step(id="a", action="stripe/create-customer"),))


def test_a_change_is_recorded_with_what_was_before() -> None:
    (record,) = definition_records(
        {"workflow/thank": b""}, {"workflow/thank": flow("old")}, {"workflow/thank": flow("new")}, SIGNED
    )
    assert (record.act, record.by, record.why, record.at_ms) == ("apply", "ada", "from 50.00 on", 1_000)
    assert record.about == "workflow thank"
    assert (record.definition or {})["where"] == "new"
    assert (record.former or {})["where"] == "old"


def test_a_removal_is_recorded_with_what_was_removed() -> None:
    (record,) = definition_records({"workflow/thank": None}, {"workflow/thank": flow("old")}, {}, SIGNED)
    assert (record.act, record.definition, (record.former or {})["where"]) == ("delete", None, "old")


def test_what_was_only_learned_is_no_definition() -> None:
    """An account, or a probe of a refused key."""
    changes = {"account/acme": b"{}", "probe/acme": b"{}", "connection/acme": b"{}"}
    found = list(definition_records(changes, {}, {"connection/acme": ACME}, SIGNED))
    assert [one.about for one in found] == ["connection acme"]
    assert b"hidden" not in encode(found[0])


def test_two_large_versions_are_recorded_one_by_one() -> None:
    large = flow("x" * (MAX_RECORD_BYTES * 2 // 3))
    (record,) = definition_records({"workflow/w": b""}, {"workflow/w": large}, {"workflow/w": large}, SIGNED)
    assert record.former is None
    assert len(encode(record)) <= MAX_RECORD_BYTES


def test_a_definition_that_can_not_be_recorded_is_refused() -> None:
    large = flow("x" * MAX_RECORD_BYTES)
    with pytest.raises(FailureError, match=r"The workflow w has 900,\d\d\d bytes, .* Nothing was changed"):
        list(definition_records({"workflow/w": b""}, {}, {"workflow/w": large}, SIGNED))


class Written:
    """What went to Kafka, in its order. away: the audit topic does not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, away: bool = False) -> None:
        self.topics: list[str] = []
        self.audited: list[AuditRecord] = []
        self._away = away
        monkeypatch.setattr(definition_acts, "one_off_producer", self._opened)
        monkeypatch.setattr(definition_acts, "write", self._write)

    @asynccontextmanager
    async def _opened(self, _: Mapping[str, Any]) -> AsyncIterator["Written"]:
        yield self

    async def send(self, topic: str, value: bytes, *, partition: int) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._away:
            done.set_exception(TimeoutError())
        else:
            self.topics.append(topic)
            self.audited.append(read(AuditRecord, value))
            done.set_result(None)
        return done

    async def _write(self, topic: str, _: Any, __: Mapping[str, bytes | None]) -> None:
        self.topics.append(topic)


RECORD = AuditRecord(act="apply", by="ada", why="", at_ms=1, records=(), about="workflow w", definition={"types": []})


async def test_the_audit_comes_before_the_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch)
    await carry_out(Topics(), {}, [RECORD, RECORD], {"workflow/w": b"{}"})
    assert written.topics == ["stripe.audit", "stripe.audit", "stripe.control"]
    assert written.audited == [RECORD, RECORD]


async def test_nothing_is_applied_without_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, away=True)
    with pytest.raises(TimeoutError):
        await carry_out(Topics(), {}, [RECORD], {"workflow/w": b"{}"})
    assert written.topics == []
