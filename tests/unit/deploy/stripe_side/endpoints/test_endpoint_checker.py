"""The owner of partition 0 looks at Stripe at times, and soon after a change; it alone reports what is wrong."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.deploy.stripe_side.endpoints import endpoint_checker
from stripeline.deploy.stripe_side.endpoints.endpoint_checker import CHANGED_S, EVERY_S, EndpointChecker
from tests.support.destinations_stripe import DestinationsStripe

BASE = WorkerReport(role="executor", version="0.2.0", host="h", started_ms=0, at_ms=0)
DEFINED = Definitions(
    connections={"acme": Connection(secret_key="sealed:x", mode="test", hint="sk")},
    triggers={"cards": Trigger(kind="stripe/charge-event", connection="acme")},
    endpoints={"shop": Endpoint(connection="acme", triggers=("cards",), url="https://hooks.example.com")},
)


class Looking:
    def __init__(self, *, key: SecretStr | None = SecretStr("sk_test_x")) -> None:  # noqa: B008
        self.now_s, self.ours, self.definitions, self.stripe = 1_000.0, True, DEFINED, DestinationsStripe()
        self.looks = 0
        self.checker = EndpointChecker(
            installation=lambda: "here", definitions=lambda: self.definitions, key=lambda _: key,
            owns=lambda: self.ours, read=self.read, monotonic=lambda: self.now_s,
        )  # fmt: skip

    async def read(self, path: str, key: SecretStr, account: str | None) -> Any:
        self.looks += path.startswith("/v2")
        return await self.stripe.read(path, key, account)

    def after(self, seconds: float) -> list[str]:
        self.now_s += seconds
        asyncio.run(self.checker.once())
        return [one.kind for one in self.checker.reported(BASE).endpoints]


def test_it_looks_at_once_and_then_from_time_to_time():
    looking = Looking()
    assert (looking.after(0), looking.looks) == (["missing"], 1)
    assert (looking.after(EVERY_S - 1), looking.looks) == (["missing"], 1)
    assert (looking.after(1), looking.looks) == (["missing"], 2)


def test_only_the_owner_of_partition_0_looks_and_reports():
    looking = Looking()
    looking.after(0)
    looking.ours = False
    assert (looking.after(EVERY_S), looking.looks) == ([], 1)
    looking.ours = True
    assert (looking.after(0), looking.looks) == (["missing"], 2)


def test_a_change_of_what_is_wanted_is_looked_at_soon():
    looking = Looking()
    looking.after(0)
    looking.definitions = replace(DEFINED, pauses={"connection/acme": Pause(by="a", why="b", at_ms=1)})
    assert (looking.after(CHANGED_S), looking.looks) == (["missing"], 1)
    moved = DEFINED.endpoints["shop"].model_copy(update={"url": "https://other.example.com"})
    looking.definitions = replace(looking.definitions, endpoints={"shop": moved})
    assert (looking.after(0), looking.looks) == (["missing"], 1)
    assert (looking.after(CHANGED_S), looking.looks) == (["missing"], 2)
    looking.definitions = replace(DEFINED, endpoints={})
    assert (looking.after(0), looking.looks) == ([], 2)  # nothing is there to ask about


def test_a_change_is_looked_at_for_its_connection_alone():
    looking = Looking()
    other = {"globex": DEFINED.connections["acme"]}
    trigger = DEFINED.triggers["cards"].model_copy(update={"connection": "globex"})
    endpoint = DEFINED.endpoints["shop"].model_copy(update={"connection": "globex", "triggers": ("of-globex",)})
    looking.definitions = Definitions(
        connections={**DEFINED.connections, **other}, triggers={**DEFINED.triggers, "of-globex": trigger},
        endpoints={**DEFINED.endpoints, "globex": endpoint},
    )  # fmt: skip
    assert (looking.after(0), looking.looks) == (["missing", "missing"], 2)
    flow = Workflow.model_validate(
        {"trigger": "of-globex", "types": ["charge.succeeded"], "steps": [{"id": "s", "action": "a"}]}
    )
    looking.definitions = replace(looking.definitions, workflows={"thanks": flow})
    looking.after(0)
    assert (looking.after(CHANGED_S), looking.looks) == (["missing", "missing"], 3)


def test_many_are_looked_at_in_parts_and_changes_noted_between(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoint_checker, "_A_TICK", 2)
    looking, names = Looking(), [f"c{number}" for number in range(5)]
    looking.definitions = Definitions(
        connections=dict.fromkeys(names, DEFINED.connections["acme"]),
        triggers={name: DEFINED.triggers["cards"].model_copy(update={"connection": name}) for name in names},
        endpoints={
            name: DEFINED.endpoints["shop"].model_copy(update={"connection": name, "triggers": (name,)})
            for name in names
        },
    )
    assert (len(looking.after(0)), looking.looks) == (2, 2)
    looking.definitions = replace(looking.definitions, endpoints={"c4": looking.definitions.endpoints["c4"]})
    assert (looking.after(0), looking.looks) == (["missing"], 3)


def test_a_key_that_cant_be_opened_is_said():
    looking = Looking(key=None)
    assert (looking.after(0), looking.looks) == (["not_asked"], 0)


def test_an_answer_of_no_use_is_said():
    looking = Looking()
    looking.stripe.read_status = 500
    assert looking.after(0) == ["not_asked"]
