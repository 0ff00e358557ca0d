"""The examples of what other teams read and write: what a reader of `contracts/` tries first.

Pure. An action's and a family's own examples are in its one file; here they become whole records. Every secret in
here is made up.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stripeline.contracts.action import Action, ActionInput, ActionOutput
from stripeline.contracts.families import Family

Examples = Mapping[str, Mapping[str, Any]]

CREATED_S: Final = 1_790_000_000
AT_MS: Final = CREATED_S * 1000
TRACE: Final[Mapping[str, str]] = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
_RUN: Final = {"run_id": "evt_Example1:thank-big-spenders", "workflow": "thank-big-spenders", "step": "customer"}


def _cloud_event(event_id: str, event_type: str, source: str) -> Mapping[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_type": event_type,
        "ce_source": source,
        "ce_time": "2026-09-21T14:13:20.000Z",
        "content-type": "application/json",
        **TRACE,
    }


EVENT_HEADERS: Final[Examples] = {
    "event": {
        **_cloud_event("evt_Example1", "payment_intent.succeeded", "/stripeline/triggers/acme-payments"),
        "stripeline-trigger": "acme-payments",
        "stripeline-connection": "acme",
    },
    "backfill": {
        **_cloud_event("evt_Example2", "payment_intent.succeeded", "/stripeline/triggers/acme-payments"),
        "stripeline-trigger": "acme-payments",
        "stripeline-connection": "acme",
        "stripeline-source": "backfill",
        "stripeline-late-by": "108000000",
    },
    "notice": {
        **_cloud_event("evt_thin_Example3", "payment_intent.succeeded", "/stripeline/triggers/acme-payments"),
        "stripeline-trigger": "acme-payments",
        "stripeline-connection": "acme",
        "stripeline-source": "notice",
        "stripeline-late-by": "86400000",
        "stripeline-payload": "object",
    },
}
THIN_EVENT_HEADERS: Final[Examples] = {
    "thin": {
        **_cloud_event("evt_thin_Example1", "v1.payment_intent.succeeded", "/stripeline/triggers/acme-payments"),
        "stripeline-trigger": "acme-payments",
        "stripeline-connection": "acme",
    }
}

COMMAND_HEADERS: Final[Examples] = {
    "none": {},
    "traced": TRACE,
    "of-the-router": {
        **_cloud_event("evt_Example1:thank-big-spenders:customer", "stripeline.action-command", "/stripeline/router"),
        "stripeline-connection": "acme",
    },
    "replayed": {
        "stripeline-first-appended-at": str(AT_MS),
        "stripeline-replay": '{"by":"ada","why":"key renewed","at":"2026-09-21T15:00:00.000Z","dead_letter":"3/17"}',
    },
}

RESULT_HEADERS: Final[Examples] = {
    "result": {
        **_cloud_event("order-1234:0", "stripeline.action-result", "/stripeline/executor"),
        "stripeline-connection": "acme",
    }
}

_WAITING: Final = {
    "stripeline-attempt": "1",
    "stripeline-due-at": str(AT_MS + 6_500),
    "stripeline-first-appended-at": str(AT_MS + 1_500),
    "stripeline-last-error": "RATE_LIMITED: Stripe answered 429",
}
RETRY_HEADERS: Final[Examples] = {
    "without-a-key": _WAITING,
    "with-a-key": {**_WAITING, **TRACE, "stripeline-place": "0"},
}

_DEAD: Final = {
    "stripeline-origin-topic": "stripe.action-command",
    "stripeline-origin-partition": "3",
    "stripeline-origin-offset": "17",
    "stripeline-first-appended-at": str(AT_MS + 1_500),
}
DEAD_LETTER_HEADERS: Final[Examples] = {
    "exhausted": {
        **_DEAD,
        **TRACE,
        "stripeline-origin-topic": "stripe.action-retry.1h",
        "stripeline-reason": "exhausted",
        "stripeline-code": "RATE_LIMITED",
        "stripeline-attempts": "6",
        "stripeline-last-error": "Stripe answered 429",
    },
    "unreadable": {
        **_DEAD,
        "stripeline-reason": "unreadable",
        "stripeline-code": "VALIDATION_ERROR",
        "stripeline-attempts": "0",
        "stripeline-last-error": "command_id: Field required",
    },
    "unreadable-batch": {
        **_DEAD,
        "stripeline-origin-last-offset": "26",
        "stripeline-reason": "unreadable_batch",
        "stripeline-code": "",
        "stripeline-attempts": "0",
        "stripeline-last-error": "its checksum is wrong; skipped by ada: a disk failed",
    },
    "lost-by-retention": {
        **_DEAD,
        "stripeline-origin-last-offset": "26",
        "stripeline-reason": "lost_by_retention",
        "stripeline-code": "",
        "stripeline-attempts": "0",
        "stripeline-last-error": "offsets 17 to 26 (10 of them) were removed before they were read",
    },
}


def events(family: Family) -> Examples:
    """Events of a family: one for each of its examples, and the odd ones that may arrive."""
    first = _event(*_first(family))
    found = {slug(name): _event(name, data) for name, data in family.examples.items()}
    return found | {
        "of-a-connected-account": {**first, "account": "acct_Example1"},
        "of-an-old-api-version": {**first, "api_version": None, "request": {"id": "req_1", "idempotency_key": None}},
        "of-an-update": {**first, "previous_attributes": {"description": None}},
        "without-request-and-mode": {key: first[key] for key in first if key != "livemode"} | {"request": None},
    }


def _event(event_type: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "id": "evt_Example1",
        "type": event_type,
        "api_version": "2025-09-30.clover",
        "created": CREATED_S,
        "livemode": False,
        "data": data,
        "request": {"id": "req_Example1", "idempotency_key": "key-1"},
    }


def commands(actions: Mapping[str, Action]) -> Examples:
    """A command for each example of an action's input; the first one also with a deadline, and from the router."""
    asked = {
        f"{slug(key)}-{number}": _command(f"order-{number}", key, given)
        for key, action in actions.items()
        for number, given in enumerate(_of(action.input), 1)
    }
    name, first = next(iter(asked.items()))
    return asked | {
        f"{name}-of-a-run": {**first, "command_id": "evt_Example1:thank-big-spenders:customer", "run": _RUN},
        f"{name}-retried": {
            **first,
            "command_id": "evt_Example1:thank-big-spenders:customer:2",
            "run": _RUN,
            "supersedes": "evt_Example1:thank-big-spenders:customer",
        },
        f"{name}-with-a-deadline": {**first, "not_after": AT_MS + 60_000},
    }


def _command(command_id: str, key: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"command_id": command_id, "action": key, "connection": "acme", "input": given}


def results(actions: Mapping[str, Action]) -> Examples:
    """A success for each example of an action's output, and the other ways to end."""
    done = {
        f"{slug(key)}-succeeded": _result(key, "succeeded", output=output)
        for key, action in actions.items()
        for output in _of(action.output)[:1]
    }
    action = next(iter(actions))
    return done | {
        "failed": _result(action, "failed", error=_error("CONFLICT", http_status=409, request_id="req_Example2")),
        "declined": _result(
            action,
            "failed",
            error=_error(
                "PAYMENT_REQUIRED", http_status=402, stripe_code="card_declined", decline_code="insufficient_funds"
            ),
        ),
        "indeterminate": _result(action, "indeterminate", error=_error("INDETERMINATE")),
        "refused": _result("stripe/no-such-action", "failed", error=_error("VALIDATION_ERROR"), attempts=0),
        "settled-later": {**next(iter(done.values())), "revision": 1, "run": _RUN},
    }


def _result(key: str, status: str, *, output: Any = None, error: Any = None, attempts: int = 1) -> Mapping[str, Any]:
    return {
        "command_id": "order-1234",
        "revision": 0,
        "action": key,
        "connection": "acme",
        "status": status,
        "output": output,
        "error": error,
        "attempts": attempts,
        "started_at": AT_MS + 1_500,
        "finished_at": AT_MS + 2_000,
        "run": None,
    }


def _error(code: str, **beside: Any) -> Mapping[str, Any]:
    return {"code": code, "message": "what a person reads", "retryable": False, **beside}


def runs(families: Sequence[Family], actions: Mapping[str, Action]) -> Examples:
    """A run in its first step, one that stopped there, and one that succeeded."""
    name, data = _first(families[0])
    action = next(iter(actions))
    output, given = _of(actions[action].output)[0], _of(actions[action].input)[0]
    step = {
        "id": "customer",
        "action": action,
        "command_id": "evt_Example1:thank-big-spenders:customer",
        "revision": None,
        "status": "running",
        "output": None,
        "error": None,
        "started_at": AT_MS + 1_500,
        "finished_at": None,
    }
    running = {
        "run": _RUN["run_id"],
        "workflow": _RUN["workflow"],
        "trigger": "acme-payments",
        "event": "evt_Example1",
        "event_type": name,
        "status": "running",
        "step": "customer",
        "error": None,
        "steps": [step],
        "started_at": AT_MS + 1_500,
        "finished_at": None,
        "definition": [{"id": "customer", "action": action, "connection": "acme", "input": given}],
        "context": _event(name, data),
    }
    ended, error = {"revision": 0, "finished_at": AT_MS + 2_000}, _error("AUTH_EXPIRED", http_status=401)
    failed = {**step, **ended, "status": "failed", "error": error}
    done = {**step, **ended, "status": "succeeded", "output": output}
    end = {"finished_at": AT_MS + 2_000}
    return {
        "running": running,
        "stopped": {**running, **end, "status": "stopped", "error": error, "steps": [failed]},
        "succeeded": {
            **running, **end, "status": "succeeded", "step": None, "steps": [done], "definition": None, "context": None,
        },
    }  # fmt: skip


def slug(text: str) -> str:
    """A type or an action's key as a file's name: `charge-dispute-created`, `create-customer`."""
    return text.removeprefix("stripe/").replace(".", "-").replace("_", "-").replace("/", "-")


def _of(model: type[ActionInput] | type[ActionOutput]) -> Sequence[Mapping[str, Any]]:
    """A model's own examples."""
    extra = model.model_config.get("json_schema_extra")
    listed = extra.get("examples") if isinstance(extra, dict) else None
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if not found:
        raise ValueError(f"{model.__module__}.{model.__name__} has no examples: give it some in its model_config")
    return found


def _first(family: Family) -> tuple[str, Mapping[str, Any]]:
    if not family.examples:
        raise ValueError(f"the family {family.kind} has no examples: give it some in its file")
    return next(iter(family.examples.items()))
