"""What the executor that sweeps shows of the events that never came."""

from typing import Final

from stripeline.contracts.deliveries.delivery_vocabulary import SweepKind, SweepTrouble
from stripeline.deploy.stripe_side.sweeps.sweep_state import SweepView
from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.collector import MetricRow

SWEEPS: Final[tuple[MetricRow[SweepView], ...]] = (
    MetricRow(
        "stripeline_events_missing", "gauge", ("connection", "window"),
        "Events of Stripe's list that never came, of the last window that was compared",
        lambda seen: seen.missing(),
        words={"window": (SweepKind,)},
        board=Board.MONEY, over="max",
        question="Does Stripe make events that do not come?",
        action=f"`{SweepKind.SETTLE}` is compared half an hour after the events, `{SweepKind.CLOSE}` three days after"
        f" them. They are published when they are found. In `{SweepKind.CLOSE}`, Stripe has given"
        " up: see *Events that never came*",
    ),
    MetricRow(
        "stripeline_events_backfilled_total", "counter", ("connection", "trigger"),
        "Events that never came, and were published by a sweep",
        lambda seen: seen.state.backfilled.items(),
        board=Board.MONEY,
        question="How many events did a sweep find?",
        action="Their records have the header `stripeline-source: backfill`; see *Events that never came*",
    ),
    MetricRow(
        "stripeline_sweep_age_seconds", "gauge", ("connection", "window"),
        "How much longer ago than it should the last compared window ended",
        lambda seen: seen.overdue(),
        words={"window": (SweepKind,)},
        over="max",
        question="Are events that never came still looked for?",
        action=f"`{SweepKind.SETTLE}` is at most some 10 minutes, `{SweepKind.CLOSE}` some 24 hours. Beyond that,"
        " /readyz of the executor that owns partition 0 says why",
    ),
    MetricRow(
        "stripeline_sweep_failures_total", "counter", ("connection", "reason"),
        "Windows that could not be compared, and are tried again",
        lambda seen: seen.state.failures.items(),
        words={"reason": (SweepTrouble,)},
        question="Why are they not looked for?",
        action=f"`{SweepTrouble.NOT_ALLOWED}`: give the connection's restricted key the permission to read events."
        f" `{SweepTrouble.TOO_OLD}`: no sweep"
        " ran for 30 days, and Stripe lists those events no more",
    ),
    MetricRow(
        "stripeline_sweep_events_total", "counter", ("connection",),
        "Events of Stripe's list that were compared with what came",
        lambda seen: (((name,), count) for name, count in seen.state.listed.items()),
        question="How much is compared?",
        action="About four times the events of a connection: windows overlap. A call lists up to 100 of them",
    ),
)  # fmt: skip
