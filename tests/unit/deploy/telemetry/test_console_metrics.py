"""What the console's metrics show of a console that reads, answers pages, refuses somebody and acts."""

from prometheus_client import CollectorRegistry, generate_latest

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.deploy.console.auth.sign_in_counts import SignInCounts
from stripeline.deploy.console.console_counters import ConsoleCounters
from stripeline.deploy.console.index.catch_up import CatchUp
from stripeline.deploy.telemetry.collector import MetricsCollector
from stripeline.deploy.telemetry.metrics.console import CONSOLE
from stripeline.deploy.telemetry.sources import ConsoleView


def shown(view: ConsoleView) -> list[str]:
    metrics, registry = MetricsCollector(), CollectorRegistry()
    metrics.show(CONSOLE, lambda: view)
    registry.register(metrics)
    return generate_latest(registry).decode().splitlines()


def test_each_metric_of_the_console_has_its_value() -> None:
    counters, sign_ins = ConsoleCounters(), SignInCounts(signed_in=2)
    counters.page_s["runs",].add(0.03)
    counters.failures["run"] += 1
    sign_ins.refused[SignInRefusal.WRONG_TOKEN] += 3
    state = CatchUp(
        read=90, unread=10, missing={"stripe.run": "it does not exist"}, gaps={"stripe.run-3, offsets 4": "a disk"},
        written_ms=10_000, rebuilds=2,
    )  # fmt: skip
    assert {
        "stripeline_console_unread_records 10.0",
        "stripeline_console_caught_up 0.0",
        "stripeline_console_missing_topics 1.0",
        "stripeline_console_gaps 1.0",
        "stripeline_console_write_age_seconds 40.0",
        "stripeline_console_rebuilds_total 2.0",
        'stripeline_console_page_seconds_bucket{le="0.025",page="runs"} 0.0',
        'stripeline_console_page_seconds_bucket{le="0.05",page="runs"} 1.0',
        'stripeline_console_page_failures_total{page="run"} 1.0',
        "stripeline_console_sign_ins_total 2.0",
        'stripeline_console_refused_requests_total{reason="wrong_token"} 3.0',
        "stripeline_console_bulk_acts 4.0",
    } <= set(shown(ConsoleView(now_ms=50_000, counters=counters, sign_ins=sign_ins, catch_up=state, acts=4)))
