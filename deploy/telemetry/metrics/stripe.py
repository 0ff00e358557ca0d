"""What an executor shows of its calls to Stripe, and of the rate limits of its connections."""

from collections.abc import Iterable, Iterator
from typing import Final

from stripeline.contracts.vocabulary import CallKind, Fault
from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.collector import MetricRow, Sample
from stripeline.workers.executor.connection.rate_gate import ConnectionStatus
from stripeline.workers.stripe.api import StripeApi

STRIPE: Final[tuple[MetricRow[StripeApi], ...]] = (
    MetricRow(
        "stripeline_stripe_calls_total", "counter", ("action", "kind", "status"),
        "Requests to Stripe, attempts and look-ups, by what came back",
        lambda stripe: stripe.answers.items(),
        words={"kind": (CallKind,), "status": (Fault,)},
        question="What does Stripe answer?",
        action=f"The HTTP status; without an answer `{Fault.REFUSED}` (no connection), `{Fault.LOST}` (no complete"
        f" answer in time) or `{Fault.UNREADABLE}`. `{CallKind.LOOK_UP}` is a search for an unknown outcome",
    ),
    MetricRow(
        "stripeline_stripe_call_seconds", "histogram", ("action", "kind"),
        "Time of a request to Stripe",
        lambda stripe: stripe.seconds.items(),
        words={"kind": (CallKind,)},
        question="Is Stripe slow?",
        action="It excludes the wait for the connection's rate. Capacity falls as it rises, see *Capacity*",
    ),
    MetricRow(
        "stripeline_stripe_calls_in_flight", "gauge", (),
        "Requests to Stripe that are under way",
        lambda stripe: [((), stripe.busy)],
        question="Is `EXECUTOR_CONCURRENCY` the bottleneck?",
        action="At the limit while records wait: raise it, if the connections' rates allow more",
    ),
)  # fmt: skip


def _rates(connections: Iterable[ConnectionStatus]) -> Iterator[Sample]:
    for connection in connections:
        for endpoint, (rate, ceiling) in connection.rates.items():
            yield (connection.connection, endpoint), rate / ceiling


CONNECTIONS: Final[tuple[MetricRow[list[ConnectionStatus]], ...]] = (
    MetricRow(
        "stripeline_connection_paused", "gauge", ("connection",),
        "1 while Stripe refuses the connection's key, or a person paused it",
        lambda seen: (((one.connection,), one.paused) for one in seen),
        board=Board.MONEY, over="max",
        question="Does a connection wait?",
        action="`stripeline get connections` says why; see *Refused keys, pauses and connected accounts*",
    ),
    MetricRow(
        "stripeline_connection_accounts_paused", "gauge", ("connection",),
        "Connected accounts that Stripe does not let the connection's key act for",
        lambda seen: (((one.connection,), one.paused_accounts) for one in seen),
        over="max",
        question="Do commands for connected accounts wait?",
        action="`stripeline status` names them; see *Refused keys, pauses and connected accounts*",
    ),
    MetricRow(
        "stripeline_connection_line_seconds", "gauge", ("connection",),
        "How long a command that lines up now waits for its connection's turn",
        lambda seen: (((one.connection,), one.line_ms / 1000) for one in seen),
        over="max",
        question="Is a connection's rate too low for its work?",
        action="Ask Stripe for a higher limit, then set the connection's `rate`",
    ),
    MetricRow(
        "stripeline_connection_rate_ratio", "gauge", ("connection", "endpoint"),
        "Share of its limit that a connection uses now; the account's own has no endpoint",
        _rates,
        over="max",
        question="Does Stripe limit the rate?",
        action="1 is this process's whole share. A 429 halves it, and a minute without one restores it. Often below 1:"
        " others use the same account; set a lower `rate`",
    ),
)  # fmt: skip
