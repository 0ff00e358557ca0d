"""The examples of what only our own processes write and read: settlements, the ledger and the control table. Pure."""

from typing import Final

from stripeline.deploy.contract.examples import AT_MS, TRACE, Examples

_SEALED: Final = "sealed:v1:RXhhbXBsZQ"

THIN_EVENTS: Final[Examples] = {
    "payment": {
        "id": "evt_thin_Example1",
        "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded",
        "created": "2026-09-30T10:00:00.000Z",
        "livemode": True,
        "related_object": {
            "id": "pi_Example1",
            "type": "payment_intent",
            "url": "/v1/payment_intents/pi_Example1",
        },
    },
}
EVENTS_SEEN: Final[Examples] = {
    "two": {
        "events": [
            ["evt_Example1", "acme-payments", AT_MS // 1000, "stripe.payment-event", 3, 4711],
            ["evt_Example2", "acme-payments", AT_MS // 1000, "stripe.payment-event", 3, 4712],
        ]
    }
}
ENDPOINTS: Final[Examples] = {
    "acme": {
        "connection": "acme",
        "triggers": ["acme-payments", "acme-charges"],
        "url": "https://hooks.example.com",
        "mode": "live",
    }
}
DESTINATIONS: Final[Examples] = {
    "acme": {
        "destinations": [
            {
                "id": "we_Example1",
                "payload": "snapshot",
                "connection": "acme",
                "signing_secret": _SEALED,
                "made_at": AT_MS,
            }
        ]
    }
}
SWEEPS: Final[Examples] = {
    "settled": {
        "account": "acct_Example1",
        "mode": "live",
        "triggers": [
            {
                "trigger": "acme-payments",
                "kind": "stripe/payment-event",
                "payload": "snapshot",
                "types": ["payment_intent.payment_failed", "payment_intent.succeeded"],
                "since": AT_MS // 1000 - 864_000,
            }
        ],
        "settled_upto": AT_MS // 1000 - 900,
        "closed_upto": AT_MS // 1000 - 259_200,
        "at": AT_MS,
    }
}

SETTLEMENT_HEADERS: Final[Examples] = {
    "settlement": {**TRACE, "stripeline-settles": "order-1234", "stripeline-connection": "acme"}
}
SETTLEMENTS: Final[Examples] = {
    "customer": {
        "id": "cus_Example1",
        "object": "customer",
        "metadata": {
            "stripeline_installation": "k3v9x2",
            "stripeline_command": "order-1234",
            "stripeline_partition": "3",
        },
    }
}

_KNOWN: Final = {"digest": "8c1f0e5d2b7a9346e1d05c7f", "revision": 0, "at": AT_MS}
LEDGER_COMMANDS: Final[Examples] = {
    "superseded": {
        **_KNOWN,
        "status": "superseded",
        "superseded_by": "evt_Example1:thank-big-spenders:customer:2",
    },
    "done": {**_KNOWN, "status": "succeeded"},
    "unknown": {
        **_KNOWN,
        "status": "waiting",
        "unknown": True,
        "look_at": AT_MS + 120_000,
        "told": {
            "action": "stripe/create-customer",
            "connection": "acme",
            "run": None,
            "key": "order-1234",
            "attempts": 1,
            "started_at": AT_MS,
        },
    },
    "suspect": {
        **_KNOWN,
        "status": "waiting",
        "look_at": AT_MS + 120_000,
        "failure": {
            "error": {"code": "AUTH_EXPIRED", "message": "what a person reads", "retryable": False},
            "reason": "key_refused",
        },
        "suspect": True,
    },
}
LEDGER_QUEUES: Final[Examples] = {"three-wait": {"head": 0, "tail": 3, "due_at": AT_MS + 6_500}}
LEDGER_SPENT: Final[Examples] = {
    "two-minutes": {
        "minutes": [{"since": AT_MS, "count": 3, "amount": {"eur": 18_600}}, {"since": AT_MS + 60_000, "count": 1}]
    }
}

CONNECTIONS: Final[Examples] = {
    "test-key": {
        "secret_key": _SEALED,
        "mode": "test",
        "hint": "sk_test_…wxyz",
        "rate": {"account": 100, "endpoint": 25},
        "limits": {"effects_per_hour": 500, "amount": {"eur": 500_000}},
        "commands": "own",
    }
}
TRIGGERS: Final[Examples] = {
    "payments": {
        "kind": "stripe/payment-event",
        "connection": "acme",
        "mode": "test",
        "signing_secrets": [_SEALED],
    }
}
WORKFLOWS: Final[Examples] = {
    "thank-big-spenders": {
        "trigger": "acme-payments",
        "types": ["payment_intent.succeeded"],
        "where": "data.amount >= 5000",
        "limit": "1000/h",
        "steps": [
            {"id": "customer", "action": "stripe/create-customer", "input": {"email": "=data.receipt_email"}},
        ],
    }
}
STATES: Final[Examples] = {"key-refused": {"refused_key": "8c1f0e5d2b7a", "since": AT_MS}}
ACCOUNTS: Final[Examples] = {
    "learned": {"account": "acct_Example1", "mode": "test"},
    "another": {"account": "acct_Example2", "mode": "live", "changed": True},
}
PAUSES: Final[Examples] = {
    "by-a-person": {"by": "ada", "why": "the client moves to another account", "at": AT_MS},
    "of-a-workflow": {
        "by": "ada",
        "why": "its where is wrong",
        "at": AT_MS,
        "until": AT_MS + 604_800_000,
        "topic": "stripe.payment-event",
        "offsets": [4711, 4690],
    },
    "at-its-limit": {"by": "stripeline", "why": "500 effects an hour: the limit of connection acme", "at": AT_MS},
}
BRAKE_RELEASES: Final[Examples] = {"resumed": {"by": "ada", "at": AT_MS}}
PROBES: Final[Examples] = {"after-an-apply": {"by": "ada", "at": AT_MS}}
INSTALLATIONS: Final[Examples] = {"first": {"id": "k3v9q2x7", "format": 1}}
SKIPS: Final[Examples] = {
    "of-a-batch": {
        "first": 4711,
        "last": 4720,
        "digest": "8c1f0e5d2b7a9346",
        "by": "ada",
        "why": "a disk of broker 3 failed; the producer sends them again",
        "at": AT_MS,
    }
}
CANCEL_REQUEST_HEADERS: Final[Examples] = {
    "of-a-run": {"stripeline-cancels": "evt_Example1:thank-big-spenders:customer"}
}
RUN_ACT_HEADERS: Final[Examples] = {"none": {}, "traced": TRACE}
RUN_ACTS: Final[Examples] = {
    "cancel": {
        "act": "cancel",
        "run": "evt_Example1:thank-big-spenders",
        "by": "ada",
        "why": "the customer was thanked by phone",
        "at": AT_MS,
    },
    "retry": {
        "act": "retry",
        "run": "evt_Example1:thank-big-spenders",
        "by": "ada",
        "why": "the card is renewed",
        "at": AT_MS,
        "command_id": "evt_Example1:thank-big-spenders:deposit",
        "revision": 0,
    },
    "start": {
        "act": "start",
        "run": "evt_Example1:thank-big-spenders",
        "by": "ada",
        "why": "the workflow was paused",
        "at": AT_MS,
        "workflow": "thank-big-spenders",
        "key": "pi_Example1",
    },
    "erase": {
        "act": "erase",
        "run": "evt_Example1:thank-big-spenders",
        "by": "ada",
        "why": "the customer asked",
        "at": AT_MS,
    },
}
AUDIT_RECORDS: Final[Examples] = {
    "batch-skipped": {
        "act": "skip_batch",
        "by": "ada",
        "why": "a disk of broker 3 failed; the producer sends them again",
        "at": AT_MS,
        "records": [{"topic": "stripe.action-command", "partition": 3, "first": 4711, "last": 4720}],
    },
    "workflow-applied": {
        "act": "apply",
        "by": "ada",
        "why": "thank from 50.00 on",
        "at": AT_MS,
        "records": [],
        "about": "workflow thank",
        "definition": {
            "trigger": "acme-payments",
            "types": ["payment_intent.succeeded"],
            "where": "data.amount >= 5000",
            "steps": [
                {"id": "customer", "action": "stripe/create-customer", "input": {"email": "=data.receipt_email"}}
            ],
        },
    },
}
WORKER_REPORTS: Final[Examples] = {
    "executor": {
        "role": "executor",
        "version": "0.2.0",
        "host": "executor-0",
        "pid": 7,
        "started_at": AT_MS - 3_600_000,
        "at": AT_MS,
        "partitions": 8,
        "tasks": [
            {
                "role": "executor",
                "partition": 3,
                "lag": 12,
                "oldest_ms": 850,
                "calls": 4,
                "in_hand": 6,
                "waiting": 2,
                "waiting_keys": 1,
                "tier_heads": {"stripe.action-retry.5s": AT_MS + 2_000},
            },
            {"role": "executor", "partition": 4, "open": False},
        ],
        "connections": [{"connection": "acme", "paused": True}],
        "skew_ms": -40,
        "master_keys": ["3f9a1c2b4d5e"],
        "control": 42,
    },
    "ingest-not-ready": {
        "role": "ingest",
        "version": "0.2.0",
        "host": "ingest-1",
        "started_at": AT_MS - 4_000,
        "at": AT_MS,
        "not_ready": "control: stripe.control has not been read yet",
    },
}
