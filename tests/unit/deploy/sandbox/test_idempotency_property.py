"""Any interleaving of requests with few keys and parameters, of clock steps and of endings."""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from stripeline.deploy.sandbox.api.values import SandboxRequest
from stripeline.deploy.sandbox.idempotency import KEPT_FOR_MS
from stripeline.deploy.sandbox.sandbox import Sandbox, Ticket

KEYS, AMOUNTS, SECRETS = ("a", "b"), ("100", "200", "4002", "5002", "4029", "30"), ("sk_test_one", "sk_test_two")
NEVER_KEPT = (429, 409)


class Interleaving(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.sandbox, self.now_ms = Sandbox(seed=1), 10**12
        self.running: list[Ticket] = []
        self.claimed_ms: dict[tuple[str, str], list[int]] = {}
        self.first: dict[tuple[str, str], tuple[str, int, bytes]] = {}  # amount, and the answer that is kept

    @rule(key=st.sampled_from(KEYS), amount=st.sampled_from(AMOUNTS), secret=st.sampled_from(SECRETS))
    def arrive(self, key: str, amount: str, secret: str) -> None:
        call = SandboxRequest(
            method="POST",
            path="/v1/payment_intents",
            body=f"amount={amount}&currency=usd".encode(),
            content_type="application/x-www-form-urlencoded",
            authorization=f"Bearer {secret}",
            idempotency_key=key,
        )
        ticket = self.sandbox.arrive(call, self.now_ms)
        if ticket.slot is not None and ticket.order is not None:
            self.claimed_ms.setdefault((ticket.order.account, key), []).append(self.now_ms)
            self.first.pop((ticket.order.account, key), None)
        self.running.append(ticket)

    @rule(which=st.integers(min_value=0, max_value=20))
    def end(self, which: int) -> None:
        if not self.running:
            return
        ticket = self.running.pop(which % len(self.running))
        reply = self.sandbox.execute(ticket, self.now_ms)
        self.sandbox.leave(ticket, reply, self.now_ms)
        assert ticket.order is not None
        name = (ticket.order.account, str(ticket.order.idempotency_key))
        if ticket.slot is not None and self.claimed_ms[name][-1] == ticket.slot.first_used_ms:
            self.first[name] = (str(ticket.order.params["amount"]), reply.answer.status, reply.answer.body)
        if reply.replayed and ticket.replay_of is not None:
            assert reply.answer.status not in NEVER_KEPT

    @rule(key=st.sampled_from(KEYS), amount=st.sampled_from(AMOUNTS), secret=st.sampled_from(SECRETS))
    def arrive_and_end(self, key: str, amount: str, secret: str) -> None:
        self.arrive(key, amount, secret)
        ticket = self.running[-1]
        assert ticket.order is not None
        kept = self.first.get((ticket.order.account, key))
        self.end(len(self.running) - 1)
        if ticket.replay_of is not None and ticket.refused is not None:
            assert (amount, ticket.refused.status, ticket.refused.body) == kept
        elif kept is not None and kept[0] == amount and ticket.fault is None:
            assert self.now_ms - self.claimed_ms[ticket.order.account, key][-1] >= KEPT_FOR_MS

    @rule(hours=st.sampled_from([0.001, 1, 23, 25]))
    def time_passes(self, hours: float) -> None:
        self.now_ms += int(hours * 3600 * 1000)

    @rule(which=st.integers(min_value=0, max_value=20))
    def cut_short(self, which: int) -> None:
        if not self.running:
            return
        ticket = self.running.pop(which % len(self.running))
        self.sandbox.abandon(ticket)
        if ticket.slot is not None and ticket.order is not None:
            self.claimed_ms[ticket.order.account, str(ticket.order.idempotency_key)].remove(ticket.slot.first_used_ms)

    @invariant()
    def one_execution_a_key_within_24_h(self) -> None:
        for times in self.claimed_ms.values():
            assert all(later - earlier >= KEPT_FOR_MS for earlier, later in pairwise(times))

    @invariant()
    def no_more_effects_than_executions(self) -> None:
        effects: dict[tuple[str, str], int] = {}
        for effect in self.sandbox.endpoints.ledger.effects:
            name = (effect.account, str(effect.idempotency_key))
            effects[name] = effects.get(name, 0) + 1
        assert all(count <= len(self.claimed_ms[name]) for name, count in effects.items())


Interleaving.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestInterleaving = Interleaving.TestCase
