"""What the parent of several processes of a host shows, beside their own metrics."""

from typing import Final

from stripeline.deploy.telemetry.collector import MetricRow
from stripeline.deploy.telemetry.sources import GroupView

GROUP: Final[tuple[MetricRow[GroupView], ...]] = (
    MetricRow(
        "stripeline_group_processes", "gauge", ("role",),
        "Processes of `--processes N`",
        lambda seen: (((seen.role,), seen.processes),),
        question="How many processes of the role run on the host under one parent?",
        action="N of `--processes N`",
    ),
    MetricRow(
        "stripeline_group_processes_ready", "gauge", ("role",),
        "Those of them that are ready",
        lambda seen: (((seen.role,), seen.ready),),
        question="Do all of them work?",
        action="Fewer than `stripeline_group_processes` for longer than a start: `/readyz` says which, and why",
    ),
    MetricRow(
        "stripeline_group_process_restarts_total", "counter", ("role", "process"),
        "Processes that ended and were started again",
        lambda seen: (((seen.role, number), count) for number, count in seen.restarts.items()),
        question="Does a process end by itself?",
        action="The log says how (`process_ended`): a signal 9 is mostly the kernel's, for want of memory",
    ),
)  # fmt: skip
