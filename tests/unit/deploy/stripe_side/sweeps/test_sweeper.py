"""A sweep that fails names its cause, is tried again, and keeps its place; one that is turned off forgets it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiokafka.errors import KafkaConnectionError
from msgspec.structs import replace as with_fields
from pydantic import SecretStr

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import Connection, Definitions, Trigger
from stripeline.contracts.deliveries.delivery_vocabulary import SweepKind, SweepTrouble
from stripeline.contracts.families import families
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.stripe_side.sweeps import sweeper as module
from stripeline.deploy.stripe_side.sweeps.enrolment import FirstNote
from stripeline.deploy.stripe_side.sweeps.event_comparison import Comparison
from stripeline.deploy.stripe_side.sweeps.event_publication import Missed
from stripeline.deploy.stripe_side.sweeps.stripe_lists import StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.deploy.stripe_side.sweeps.sweep_plan import plans
from stripeline.deploy.stripe_side.sweeps.sweep_state import SweepState
from stripeline.deploy.stripe_side.sweeps.sweeper import Sweeper
from stripeline.workers.executor.stripe_answer import StripeAnswer

NOW_S = 1_800_000_000
KIND = "stripe/payment-event"
SINCE = SweptSince(trigger="pay", kind=KIND, payload="snapshot", types=families()[KIND].types, since_s=0)
PLACE = Sweep(mode="live", triggers=(SINCE,), settled_upto_s=NOW_S - 3_600, closed_upto_s=NOW_S, at_ms=1)
STORED = Definitions(
    connections={"acme": Connection(secret_key="sealed:v1:a:b", mode="live", hint="sk_live_…1234")},
    triggers={"pay": Trigger(kind=KIND, connection="acme", mode="live")},
    sweeps={"acme": PLACE},
)
EMPTY = StripeAnswer(status=200, headers={}, body=b'{"data": [], "has_more": false}')
REFUSED = StripeAnswer(status=403, headers={}, body=b'{"error": {"type": "invalid_request_error", "message": "no"}}')


def listing(*events: str) -> StripeAnswer:
    """A page of Stripe's list."""
    data = {"object": {"id": "pi_1", "object": "payment_intent"}}
    event = {"object": "event", "type": families()[KIND].types[0], "livemode": True, "data": data}
    page = {"data": [{"id": one, "created": NOW_S - 2_000, **event} for one in events], "has_more": False}
    return StripeAnswer(status=200, headers={}, body=orjson.dumps(page))


class Rig:
    """One connection. answer: Stripe's to every request. away: what opening Kafka raises.

    readings: of the notes, of which there are none: how many comparisons each was for. published: what was missing.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: StripeAnswer | Fault = EMPTY, **fields: Any) -> None:
        self.answer, self.away, self.now_ms = answer, None, NOW_S * 1000
        self.written: dict[str, bytes | None] = {}
        self.readings: list[int] = []
        self.published: list[str] = []
        self.owned = True
        values = {"key": lambda _: SecretStr("rk_live_1"), "definitions": lambda: STORED} | fields
        self.sweeper = Sweeper(
            owns=lambda: self.owned, lists=StripeLists(self.read, SweepPace(lambda _: Rate()), lambda: self.now_ms),
            topics=Topics(), client={}, write=self.write, now_ms=lambda: self.now_ms, **values,
        )  # fmt: skip
        monkeypatch.setattr(module, "seen_log", lambda *_: self.opened())
        monkeypatch.setattr(module.Sweeper, "_publish", lambda _, missed: self.publish(missed))
        monkeypatch.setattr("stripeline.deploy.stripe_side.sweeps.stripe_lists._WAITS_S", ())

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Rig"]:
        if self.away is not None:
            raise self.away
        yield self

    async def strike(self, comparisons: Sequence[Comparison], _: Any) -> None:
        self.readings.append(len(comparisons))

    async def publish(self, missed: Sequence[Missed]) -> None:
        self.published += [one.lacking.event.id for one in missed]

    async def read(self, *_: Any) -> StripeAnswer | Fault:
        return self.answer

    async def write(self, changes: Mapping[str, bytes | None]) -> None:
        self.written.update(changes)

    async def once(self) -> None:
        (plan,) = plans(STORED)
        await self.sweeper.once(plan)


async def test_a_window_that_was_compared_is_written(monkeypatch: pytest.MonkeyPatch):
    rig = Rig(monkeypatch)
    await rig.once()
    assert list(rig.written) == ["sweep/acme"]
    assert rig.sweeper._known["acme"].settled_upto_s == NOW_S - 900
    assert rig.sweeper.warnings() is None


@pytest.mark.parametrize(
    ("answer", "trouble", "words"),
    [
        (REFUSED, SweepTrouble.NOT_ALLOWED, "may not list events"),
        (Fault.LOST, SweepTrouble.NO_ANSWER, "did not answer"),
    ],
)
async def test_a_failing_stripe_is_named_and_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch, answer: StripeAnswer | Fault, trouble: SweepTrouble, words: str
):
    rig = Rig(monkeypatch, answer)
    await rig.once()
    assert rig.written == {}
    assert words in (rig.sweeper.warnings() or "")
    assert rig.sweeper.state.failures == {("acme", trouble): 1}
    rig.answer = EMPTY
    await rig.once()
    assert (rig.sweeper.warnings(), list(rig.written)) == (None, ["sweep/acme"])


async def test_a_failing_kafka_is_named(monkeypatch: pytest.MonkeyPatch):
    rig = Rig(monkeypatch, listing("evt_1"))
    rig.away = KafkaConnectionError("no broker")
    await rig.once()
    assert rig.sweeper.state.failures == {("acme", SweepTrouble.KAFKA): 1}
    assert "no broker" in (rig.sweeper.warnings() or "")


async def test_a_key_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch):
    rig = Rig(monkeypatch, key=lambda _: None)
    await rig.once()
    assert rig.sweeper.state.failures == {("acme", SweepTrouble.NO_KEY): 1}


async def test_a_process_without_partition_0_shows_nothing(monkeypatch: pytest.MonkeyPatch):
    rig = Rig(monkeypatch, REFUSED)
    await rig.once()
    rig.owned = False
    assert rig.sweeper.warnings() is None
    assert list(rig.sweeper.view().missing()) == []


async def test_turned_off_it_forgets_how_far_it_came(monkeypatch: pytest.MonkeyPatch):
    rig = Rig(monkeypatch, enabled=False)
    await rig.sweeper._forget()
    assert rig.written == {"sweep/acme": None}


async def test_what_stripe_lists_no_more_is_counted(monkeypatch: pytest.MonkeyPatch):
    rig = Rig(monkeypatch)
    rig.now_ms += 40 * 86_400_000
    await rig.once()
    assert rig.sweeper.state.failures["acme", SweepTrouble.TOO_OLD] == 2
    assert dict(rig.sweeper.view().overdue())["acme", SweepKind.CLOSE] == 37 * 86_400


def many(count: int) -> Definitions:
    names = [f"c{number}" for number in range(count)]
    return Definitions(
        connections=dict.fromkeys(names, STORED.connections["acme"]),
        triggers={f"pay-{name}": Trigger(kind=KIND, connection=name, mode="live") for name in names},
        sweeps={
            name: with_fields(PLACE, triggers=(with_fields(SINCE, trigger=f"pay-{name}"),), settled_upto_s=NOW_S)
            for name in names
        },
    )


async def begun(rig: Rig) -> list[str]:
    """The connections that are begun at one tick, and end at once."""
    await rig.sweeper._note(rig.sweeper.definitions())
    await rig.sweeper._begin()
    found = list(rig.sweeper._running)
    await asyncio.gather(*rig.sweeper._running.values())
    return found


async def test_only_what_is_due_is_begun(monkeypatch: pytest.MonkeyPatch):
    definitions = many(3)
    rig = Rig(monkeypatch, definitions=lambda: definitions)
    assert await begun(rig) == ["c0", "c1", "c2"]  # each is looked at once
    assert await begun(rig) == []
    definitions = replace(definitions, accounts={"c1": ConnectionAccount(account="acct_1", mode="live")})
    assert await begun(rig) == ["c1"]
    due = with_fields(PLACE, triggers=definitions.sweeps["c2"].triggers, at_ms=rig.now_ms)
    definitions = replace(definitions, sweeps={**definitions.sweeps, "c2": due})
    rig.now_ms += 1_000
    assert await begun(rig) == ["c2"]
    rig.now_ms += 600_000
    assert await begun(rig) == ["c0", "c1", "c2"]
    definitions = replace(definitions, connections={})
    rig.now_ms += 600_000
    assert await begun(rig) == []


async def test_where_there_is_no_room_for_all_each_has_its_turn(monkeypatch: pytest.MonkeyPatch):
    definitions = many(5)
    rig = Rig(monkeypatch, definitions=lambda: definitions)
    monkeypatch.setattr(module, "_BEGUN", 2)
    ticks = []
    for _ in range(4):
        rig.now_ms += 600_000  # all are due again
        ticks.append(await begun(rig))
    assert ticks == [["c0", "c1"], ["c2", "c3"], ["c4", "c0"], ["c1", "c2"]]


async def test_one_reading_of_the_notes_is_for_many_connections(monkeypatch: pytest.MonkeyPatch):
    definitions = many(40)
    definitions = replace(
        definitions,
        sweeps={name: with_fields(one, settled_upto_s=NOW_S - 3_600) for name, one in definitions.sweeps.items()},
    )
    rig = Rig(monkeypatch, listing("evt_1"), definitions=lambda: definitions)
    assert len(await begun(rig)) == 40
    assert rig.published == ["evt_1"] * 40
    assert (sum(rig.readings), len(rig.readings)) == (40, 2)
    assert rig.sweeper._room.waiting == 0
    assert rig.sweeper._running == {}


async def test_one_look_at_the_notes_is_for_all_connections(monkeypatch: pytest.MonkeyPatch):
    looks: list[set[str]] = []

    class Notes:
        async def first_notes(self, triggers: Collection[str], from_ms: int) -> Mapping[str, FirstNote]:
            looks.append(set(triggers))
            return {"pay-c1": FirstNote(NOW_S, None)}

    @asynccontextmanager
    async def seen_log(*_: Any) -> AsyncIterator[Notes]:
        yield Notes()

    definitions = replace(many(3), sweeps={})
    rig = Rig(monkeypatch, definitions=lambda: definitions)
    monkeypatch.setattr(module, "seen_log", seen_log)
    await begun(rig)
    assert looks == [{"pay-c0", "pay-c1", "pay-c2"}]
    assert list(rig.written) == ["sweep/c1"]
    rig.now_ms += 600_000
    await begun(rig)
    assert len(looks) == 2


def test_a_failing_connection_waits_longer_each_time():
    state, waits = SweepState(), []
    for _ in range(6):
        state.failed("acme", SweepTrouble.NO_ANSWER, "w", 0)
        waits.append(next(at_ms for at_ms in range(0, 700_000, 60_000) if state.may_try("acme", at_ms)))
    assert waits == [60_000, 120_000, 240_000, 480_000, 600_000, 600_000]
    state.well("acme")
    assert state.may_try("acme", 0)
