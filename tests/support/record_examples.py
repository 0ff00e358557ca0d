"""The published examples, each with the topic, key and headers that a record of it has."""

from typing import Any

from stripeline.deploy.contract.published_records import published

EXAMPLES = {record.name: dict(record.examples) for record in published()}


def first(record: str) -> dict[str, Any]:
    return dict(EXAMPLES[record][min(EXAMPLES[record])])


EVENT_HEADERS, COMMAND, RESULT_HEADERS = first("event-headers"), first("command"), first("result-headers")

KINDS = {
    "payment-event": ("payment-event", "pi_1", EVENT_HEADERS),
    "charge-event": ("charge-event", "ch_1", EVENT_HEADERS),
    "customer-event": ("customer-event", "cus_1", EVENT_HEADERS),
    "command": ("action-command", None, {}),
    "settlement": ("action-command", None, first("settlement-headers")),
    "result": ("action-result", "k", RESULT_HEADERS),
    "run": ("run", "evt_1:thanks", {}),
    "ledger-command": ("action-ledger", "command/c1", {}),
    "ledger-queue": ("action-ledger", "queue/k", {}),
    "ledger-spent": ("action-ledger", "spent/acme", {}),
    "control-connection": ("control", "connection/acme", {}),
    "control-trigger": ("control", "trigger/payments", {}),
    "control-workflow": ("control", "workflow/thanks", {}),
    "control-state": ("control", "state/acme", {}),
    "control-skip": ("control", "skip/stripe.action-command/3", {}),
    "worker-report": ("worker", "executor/executor-0", {}),
    "audit": ("audit", None, {}),
}
