"""The flow of one request through the sandbox: admitted or refused, executed, answered. Pure: time is an argument.

Three steps, because time may pass between them: `arrive` (refuses, or claims the idempotency key), `execute` (the
effect), `leave` (keeps the answer under the key, writes the request log). A request that is cut short is `abandon`ed.
Order of the checks, as at Stripe: key and account, permission, limiter, idempotency, parameters; faults that refuse
come before the last two, and a hop that answers for Stripe before them all.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from stripeline.deploy.sandbox.accounts import Accounts, Caller
from stripeline.deploy.sandbox.api import stripe_errors
from stripeline.deploy.sandbox.api.execution import Endpoints
from stripeline.deploy.sandbox.api.requests import Attempt, account_meant, seen_on_the_way, understand
from stripeline.deploy.sandbox.api.routes import AdmittedRequest, refusal
from stripeline.deploy.sandbox.api.values import EMPTY, V2, SandboxAnswer, SandboxReply, SandboxRequest
from stripeline.deploy.sandbox.delivery_rules import DeliveryRules
from stripeline.deploy.sandbox.effects import LoggedRequest
from stripeline.deploy.sandbox.faults import FaultBook, InjectedFault
from stripeline.deploy.sandbox.idempotency import (
    V2_KEPT_FOR_MS,
    Fresh,
    IdempotencyLayer,
    InUse,
    OtherParameters,
    OtherPath,
    Replay,
    Slot,
)
from stripeline.deploy.sandbox.limiter import Limiter
from stripeline.deploy.sandbox.magic import MagicBook, magic_number
from stripeline.deploy.sandbox.webhooks import SandboxWebhooks

API_VERSION = "2026-06-24.dahlia"
BAD_REQUEST, PAYMENT_REQUIRED = 400, 402


@dataclass(slots=True, kw_only=True)
class Ticket:
    """One request between its arrival and its departure. `refused` is the answer that it has already."""

    call: SandboxRequest
    request_id: str
    caller: Caller | None = None
    order: AdmittedRequest | None = None
    fault: InjectedFault | None = None
    slot: Slot | None = None
    refused: SandboxAnswer | None = None
    replay_of: str | None = None  # the request whose answer is replayed
    outcome: SandboxAnswer | None = None  # what the key keeps
    delay_s: float = 0.0  # before the effect


class Sandbox:
    def __init__(self, *, latency_s: float = 0.0, seed: int | None = None) -> None:
        self._start_latency_s, self._seed = latency_s, seed
        self.reset()

    def reset(self) -> None:
        """Forget everything: objects, ledger, keys, faults, settings, the clock's offset."""
        self.rng = random.Random(self._seed)  # noqa: S311 - repeatable faults and ids, no secret of anybody
        self.latency_s = self._start_latency_s
        self.clock_offset_ms = 0
        self._latest_ms = 0
        self.accounts = Accounts()
        self.limiter = Limiter()
        self.idempotency, self.idempotency_v2 = IdempotencyLayer(), IdempotencyLayer(V2_KEPT_FOR_MS)
        self.faults = FaultBook(self.rng)
        self.magic = MagicBook()
        rules = DeliveryRules(self.rng.random)
        self.webhooks = SandboxWebhooks(self.accounts.platforms_of, f"{self.rng.getrandbits(48):012x}", rules)
        self.endpoints = Endpoints(self.rng, self.webhooks, self.accounts)
        self._request_salt = f"{self.rng.getrandbits(24):06x}"
        self._requests = 0

    def now_ms(self, host_ms: int) -> int:
        """The virtual clock. It never goes back, whatever the host's does: rows are kept in the order of creation."""
        self._latest_ms = max(self._latest_ms, host_ms + self.clock_offset_ms)
        return self._latest_ms

    def arrive(self, call: SandboxRequest, now_ms: int) -> Ticket:
        self._requests += 1
        ticket = Ticket(call=call, request_id=f"req_{self._request_salt}{self._requests:08x}", delay_s=self.latency_s)
        ticket.fault = hop = (
            self.faults.choose(seen_on_the_way(call), fresh=True, hop=True) if self.faults.rules else None
        )
        if hop is not None and hop.when == "before":
            ticket.delay_s += hop.delay_s
            ticket.refused = hop.answer()
            return ticket
        caller = self.accounts.caller(call.authorization, stripe_account=account_meant(call), now_ms=now_ms)
        if isinstance(caller, SandboxAnswer):
            ticket.refused = caller
            return ticket
        ticket.caller = caller
        attempt = understand(call, caller, ticket.request_id)
        if isinstance(attempt, SandboxAnswer):
            ticket.refused = attempt
        elif not caller.may(permission := attempt.order.route.permission):
            ticket.refused = stripe_errors.permission_missing(caller.masked, caller.account, permission)
        elif reason := self.limiter.refuses(caller.scope, attempt.endpoint, now_ms):
            ticket.refused = stripe_errors.rate_limited(reason)
        else:
            ticket.order = attempt.order
            self._admit(ticket, attempt, now_ms)
        return ticket

    def execute(self, ticket: Ticket, now_ms: int) -> SandboxReply:
        """The effect, unless the ticket is refused; and what the client gets to see of the answer."""
        fault = ticket.fault
        if ticket.refused is not None or ticket.order is None:
            answer = ticket.refused or stripe_errors.invalid("The request was not understood.")
        else:
            answer = ticket.outcome = self._outcome(ticket.order, fault, now_ms)
        headers = EMPTY if fault is not None and fault.hop and fault.answers else _headers(ticket)
        if fault is None:
            return SandboxReply(answer=answer, headers=headers, replayed=ticket.replay_of is not None)
        lost = fault.answers and fault.when == "after" and not fault.stored
        return SandboxReply(
            answer=fault.answer() if lost else answer,
            headers=headers,
            delay_s=fault.delay_s if fault.when == "after" else 0.0,
            drop=fault.drop,
            cut_body=fault.cut_body,
            replayed=ticket.replay_of is not None,
        )

    def leave(self, ticket: Ticket, reply: SandboxReply, now_ms: int) -> None:
        if ticket.slot is not None and ticket.outcome is not None:
            self._keep(ticket, ticket.slot, ticket.outcome)
        call, caller = ticket.call, ticket.caller
        self.endpoints.ledger.request(
            LoggedRequest(
                call.method,
                call.path,
                caller.masked if caller else None,
                caller.account if caller else None,
                call.idempotency_key if call.keyed else None,
                None if reply.drop else reply.answer.status,
                reply.replayed,
                ticket.request_id,
                now_ms,
                hop=ticket.fault is not None and ticket.fault.hop,
            )
        )

    def abandon(self, ticket: Ticket) -> None:
        """The server stopped in the middle: the key must not stay in use, and an effect that came about is kept."""
        if ticket.slot is None or ticket.order is None:
            return
        if ticket.outcome is not None:
            self._keep(ticket, ticket.slot, ticket.outcome)
        else:
            self._layer(ticket).release(ticket.order.scope, str(ticket.call.idempotency_key), ticket.slot)

    def _keep(self, ticket: Ticket, slot: Slot, outcome: SandboxAnswer) -> None:
        if ticket.call.path.startswith(V2) and outcome.status >= BAD_REQUEST and ticket.order is not None:
            self.idempotency_v2.release(ticket.order.scope, str(ticket.call.idempotency_key), slot)
        else:
            IdempotencyLayer.finish(slot, outcome)

    def _layer(self, ticket: Ticket) -> IdempotencyLayer:
        return self.idempotency_v2 if ticket.call.path.startswith(V2) else self.idempotency

    def _admit(self, ticket: Ticket, attempt: Attempt, now_ms: int) -> None:
        order, key = attempt.order, attempt.order.idempotency_key
        remembered = self._remembered(ticket, attempt, now_ms)
        refused = remembered or refusal(order)
        fault = ticket.fault
        if fault is None:
            ticket.fault = fault = self._fault(attempt, fresh=refused is None)
            if fault is not None and fault.when == "before":
                ticket.delay_s += fault.delay_s
        if fault is not None and fault.gates:
            ticket.refused, ticket.replay_of = fault.answer(), None
        elif refused is not None:
            ticket.refused = refused
        elif key is not None:
            slot = Slot(
                path=ticket.call.path,
                fingerprint=attempt.fingerprint,
                first_used_ms=now_ms,
                request_id=order.request_id,
            )
            ticket.slot = self._layer(ticket).claim(order.scope, key, slot)

    def _remembered(self, ticket: Ticket, attempt: Attempt, now_ms: int) -> SandboxAnswer | None:
        """What the idempotency layer answers by itself."""
        scope, key, path = attempt.order.scope, attempt.order.idempotency_key, ticket.call.path
        if key is None:
            return None
        match self._layer(ticket).look(scope, key, path, attempt.fingerprint, now_ms):
            case Fresh():
                return None
            case Replay(answer, request_id):
                ticket.replay_of = request_id
                return answer
            case InUse():
                return stripe_errors.key_in_use(key)
            case OtherPath(first):
                message = "Keys for idempotent requests can only be used for the same endpoint they were first used for"
                return stripe_errors.key_reused(key, f"{message} ('{path}' vs '{first}').")
            case OtherParameters():
                message = "Keys for idempotent requests can only be used with the same parameters they were first used"
                return stripe_errors.key_reused(key, f"{message} with.")
            case never:
                assert_never(never)

    def _fault(self, attempt: Attempt, *, fresh: bool) -> InjectedFault | None:
        order = attempt.order
        if self.faults.rules and (fault := self.faults.choose(attempt.subject, fresh=fresh)):
            return fault
        number = magic_number(order.params, order.route.object_id)
        if number is None:
            return None
        once_for = order.idempotency_key or str(attempt.fingerprint)
        return self.magic.choose(number, order.scope, once_for, fresh=fresh)

    def _outcome(self, order: AdmittedRequest, fault: InjectedFault | None, now_ms: int) -> SandboxAnswer:
        if fault is None or not fault.fails:
            return self.endpoints.execute(order, now_ms)
        if fault.status == PAYMENT_REQUIRED and fault.body is None and order.route.resource.object == "payment_intent":
            return self.endpoints.execute(order, now_ms, declined=order.route.kind == "create")
        if fault.when == "after":
            self.endpoints.execute(order, now_ms)
        return fault.answer()


def _headers(ticket: Ticket) -> Mapping[str, str]:
    headers = {"Request-Id": ticket.request_id, "Stripe-Version": ticket.call.stripe_version or API_VERSION}
    if ticket.call.idempotency_key is not None and ticket.call.keyed:
        headers["Idempotency-Key"] = ticket.call.idempotency_key
    if ticket.replay_of is not None:
        headers["Idempotent-Replayed"] = "true"
        headers["Original-Request"] = ticket.replay_of
    return headers
