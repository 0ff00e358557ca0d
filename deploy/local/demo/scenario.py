"""The demo's traffic: which deliveries and commands are sent, and what each of them shows. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stripeline.deploy.local.example_events import example_event

CROWD = 24
"""Big spenders that come all at once, after the single cases."""
CROWD_NAME = "crowd"

_THANKS = "thank-big-spenders"

STEPS: Mapping[str, Sequence[str]] = {
    "thank-big-spenders": ("customer", "deposit"),
    "look-at-disputes": ("charge",),
    "welcome-deposit": ("deposit",),
}
"""The steps of each workflow of `example.yaml`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioDelivery:
    """One POST to a trigger.

    name: of its case, which is on every line about it; a second delivery of an event has the same.
    shows: what it is for; empty in the crowd.
    starts: the workflow that it starts.
    forged: signed with somebody else's secret.
    """

    name: str
    shows: str
    trigger: str
    body: bytes
    expected: int = 200
    published: bool = True
    starts: str | None = None
    forged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioCommand:
    """One record that another team puts on the command topic. Its case is named by its key."""

    shows: str
    key: bytes
    value: Mapping[str, Any] | bytes


def deliveries() -> Iterator[ScenarioDelivery]:
    """Every delivery, in the order in which it is sent."""
    spender = example_event("payment_intent.succeeded", {"amount": 12_000})
    yield _payment("big-spender", "a payment starts a run of two steps", spender, _THANKS)
    yield _payment("big-spender", "Stripe delivers it again: the same run", spender, _THANKS)
    small = example_event("payment_intent.succeeded", {"amount": 900})
    yield _payment("small", "a small payment: `where` filters it", small)
    yield _payment("other-type", "another type: published, no run", example_event("payment_intent.created"))
    forged = example_event("payment_intent.succeeded", {"amount": 99_000_000})
    yield ScenarioDelivery(
        name="forged", shows="a forged signature: refused", trigger="acme-payments", body=forged, expected=400,
        published=False, forged=True,
    )  # fmt: skip
    other = example_event("invoice.paid")
    yield ScenarioDelivery(
        name="other-family", shows="another family: answered, not published", trigger="acme-payments", body=other,
        published=False,
    )  # fmt: skip
    dispute = example_event("charge.dispute.created", {"charge": "ch_sandbox_succeeded"})
    yield ScenarioDelivery(
        name="dispute", shows="a dispute: its charge is looked up", trigger="acme-charges", body=dispute,
        starts="look-at-disputes",
    )  # fmt: skip
    yield _customer("declined", "a card is declined: the run stops with the reason", "4002")
    yield _customer("error-500", "Stripe answers 500: retried, then done", "5001")
    yield _customer("lost-answer", "charged, and the answer is lost: retried, one charge", "5003")
    for number in range(CROWD):
        yield _payment(CROWD_NAME, "", example_event("payment_intent.succeeded", {"amount": 6_000 + number}), _THANKS)


def commands() -> Iterator[ScenarioCommand]:
    """What another team produces, with its own Kafka client."""
    command = {
        "command_id": "crm-4711",
        "action": "stripe/create-customer",
        "connection": "acme",
        "input": {"email": "grace@example.com", "name": "Grace Hopper"},
    }
    yield ScenarioCommand(shows="another team's command: done, with a result", key=b"crm-4711", value=command)
    yield ScenarioCommand(shows="its duplicate: skipped", key=b"crm-4711", value=command)
    yield ScenarioCommand(shows="a record that is no command: a dead letter", key=b"crm-4712", value=b"not JSON")


def _payment(name: str, shows: str, body: bytes, starts: str | None = None) -> ScenarioDelivery:
    return ScenarioDelivery(name=name, shows=shows, trigger="acme-payments", body=body, starts=starts)


def _customer(name: str, shows: str, deposit: str) -> ScenarioDelivery:
    """A new customer whose deposit's amount is one of the sandbox's magic numbers."""
    metadata = {"deposit": deposit, "note": "first deposit"}
    body = example_event("customer.created", {"metadata": metadata})
    return ScenarioDelivery(name=name, shows=shows, trigger="acme-customers", body=body, starts="welcome-deposit")
